#include "shim/monitor/rules.h"

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <sstream>

#include "shim/monitor/error.h"
#include "shim/syscalls/syscalls.h"

namespace mx::monitor {

namespace {

constexpr size_t kMaxSize = 1 << 20;

bool known_call(const std::string& name) {
  for (long nr = 0; nr <= sys::kMax; nr++)
    if (const auto& d = sys::describe(nr); d.nr == nr && name == d.name) return true;
  return false;
}

bool one_of(const std::string& word, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(), [&](const char* w) { return word == w; });
}

}  // namespace

Rules Rules::read(const std::string& path) {
  if (path.empty()) return {};
  std::ifstream in(path);
  if (!in) throw system_error("cannot read the rules " + path);
  std::string text(kMaxSize + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) throw system_error("cannot read the rules " + path);
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > kMaxSize) throw Error("the rules " + path + " are larger than 1 MiB");
  return parse(text, path);
}

Rules Rules::parse(const std::string& text, const std::string& what) {
  Rules rules;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); number++) {
    auto fail = [&](const std::string& why) {
      throw Error(what + ":" + std::to_string(number) + ": " + why);
    };
    std::istringstream words(line);
    std::string verb, word;
    if (!(words >> verb) || verb[0] == '#') continue;
    if (verb != "ignore")
      fail("expected: ignore CALL KIND …; this line begins with '" + verb.substr(0, 40) + "'");
    Rule rule;
    if (!(words >> rule.call >> rule.kind))
      fail("expected: ignore CALL KIND, for example: ignore write bytes");
    if (rule.call != "*" && !known_call(rule.call))
      fail("there is no system call '" + rule.call.substr(0, 40) + "'");
    if (!one_of(rule.kind, {"argument", "bytes", "result", "sequence", "*"}))
      fail("'" + rule.kind.substr(0, 40) + "' is no kind: argument, bytes, result, sequence or *");
    while (words >> word) {
      if (word == "number" && rule.kind == "argument") {
        if (!(words >> rule.argument) || rule.argument < 0 || rule.argument > 5)
          fail("number needs an argument's place, 0 to 5");
      } else if (word == "with" && rule.kind == "bytes") {
        std::getline(words >> std::ws, rule.text);
        if (rule.text.empty()) fail("with needs a text, up to the end of the line");
      } else {
        fail("'" + word.substr(0, 40) + "' is not understood here");
      }
    }
    rules.rules_.push_back(rule);
  }
  return rules;
}

bool Rules::expected(const nlohmann::ordered_json& d) const {
  auto text = [&d](const char* key) {
    const auto it = d.find(key);
    return it != d.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& r) {
    if (r.call != "*" && r.call != text("call")) return false;
    if (r.kind != "*" && r.kind != text("kind")) return false;
    if (r.argument >= 0 && d.value("argument", -1) != r.argument) return false;
    return r.text.empty() || text("leader").find(r.text) != std::string::npos ||
           text("follower").find(r.text) != std::string::npos;
  });
}

}  // namespace mx::monitor
