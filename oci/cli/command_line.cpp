#include "oci/cli/command_line.hpp"

#include <map>
#include <set>

namespace mx::oci {
namespace {

// Flags with a value. Long names; crun's are those runc does not have.
const std::set<std::string> kGlobalValues = {"log",      "log-format",     "root",     "criu",
                                             "rootless", "cgroup-manager", "log-level"};

// Per verb, its flags with a value.
const std::map<std::string, std::set<std::string>> kVerbValues = {
    {"create", {"bundle", "console-socket", "pid-file", "preserve-fds", "config"}},
    {"run", {"bundle", "console-socket", "pid-file", "preserve-fds", "config"}},
    {"restore",
     {"bundle", "console-socket", "pid-file", "image-path", "work-path", "empty-ns",
      "manage-cgroups-mode", "lsm-profile", "lsm-mount-context"}},
    {"checkpoint",
     {"image-path", "work-path", "parent-path", "page-server", "empty-ns", "status-fd",
      "manage-cgroups-mode"}},
    {"exec",
     {"console-socket", "cwd", "env", "user", "additional-gids", "process", "pid-file",
      "process-label", "apparmor", "cap", "preserve-fds", "cgroup"}},
    {"events", {"interval"}},
    {"list", {"format"}},
    {"ps", {"format"}},
    {"kill", {}},
    {"spec", {"bundle"}},
    {"update",
     {"resources", "blkio-weight", "cpu-period", "cpu-quota", "cpu-share", "cpu-rt-period",
      "cpu-rt-runtime", "cpuset-cpus", "cpuset-mems", "kernel-memory", "kernel-memory-tcp",
      "memory", "memory-reservation", "memory-swap", "pids-limit", "l3-cache-schema",
      "mem-bw-schema", "cpu-burst", "cpu-idle"}},
};

// Short forms that differ in nothing but length.
std::string long_name(const std::string& verb, const std::string& name) {
  if (name.size() != 1) return name;
  static const std::map<std::string, std::map<std::string, std::string>> kShort = {
      {"create", {{"b", "bundle"}, {"f", "config"}}},
      {"run", {{"b", "bundle"}, {"d", "detach"}, {"f", "config"}}},
      {"restore", {{"b", "bundle"}, {"d", "detach"}}},
      {"exec",
       {{"e", "env"},
        {"t", "tty"},
        {"u", "user"},
        {"g", "additional-gids"},
        {"p", "process"},
        {"d", "detach"},
        {"c", "cap"}}},
      {"kill", {{"a", "all"}}},
      {"delete", {{"f", "force"}}},
      {"list", {{"f", "format"}, {"q", "quiet"}}},
      {"ps", {{"f", "format"}}},
      {"spec", {{"b", "bundle"}}},
      {"update", {{"r", "resources"}}},
  };
  const auto of_verb = kShort.find(verb);
  if (of_verb == kShort.end()) return name;
  const auto found = of_verb->second.find(name);
  return found == of_verb->second.end() ? name : found->second;
}

bool is_flag(const std::string& word) { return word.size() > 1 && word[0] == '-' && word != "--"; }

// Reads the flag at words[at]; `values` tells which take one.
Flag read_flag(const std::vector<std::string>& words, size_t at, const std::string& verb,
               const std::set<std::string>& values) {
  const std::string& word = words[at];
  const size_t start = word.starts_with("--") ? 2 : 1;  // Go's flag package takes one dash, too
  const size_t equals = word.find('=');
  Flag flag{
      long_name(verb, word.substr(start, equals == std::string::npos ? equals : equals - start)),
      "", at, 1};
  if (equals != std::string::npos) {
    flag.value = word.substr(equals + 1);
  } else if (values.contains(flag.name) && at + 1 < words.size()) {
    flag.value = words[at + 1];
    flag.words = 2;
  }
  return flag;
}

const Flag* last_flag(const std::vector<Flag>& flags, const std::string& name) {
  const Flag* found = nullptr;
  for (const Flag& flag : flags)
    if (flag.name == name) found = &flag;
  return found;
}

}  // namespace

CommandLine parse_command_line(std::vector<std::string> words) {
  static const std::set<std::string> kNone;
  CommandLine line;
  line.words = std::move(words);
  size_t at = 0;
  while (at < line.words.size() && is_flag(line.words[at])) {
    line.global_flags.push_back(read_flag(line.words, at, "", kGlobalValues));
    at += line.global_flags.back().words;
  }
  if (at >= line.words.size()) return line;
  line.verb = line.words[at];
  line.verb_word = at++;
  const auto known = kVerbValues.find(line.verb);
  const std::set<std::string>& values = known == kVerbValues.end() ? kNone : known->second;
  bool flags_allowed = true;
  while (at < line.words.size()) {
    const std::string& word = line.words[at];
    if (flags_allowed && word == "--") {
      flags_allowed = false;
      ++at;
    } else if (flags_allowed && is_flag(word)) {
      line.flags.push_back(read_flag(line.words, at, line.verb, values));
      at += line.flags.back().words;
    } else {
      line.positional.push_back(word);
      line.positional_words.push_back(at++);
      // exec's command may have flags of its own: `runc exec ID ls -l`.
      if (line.verb == "exec") flags_allowed = false;
    }
  }
  return line;
}

std::optional<std::string> CommandLine::value(const std::string& name) const {
  const Flag* flag = last_flag(flags, name);
  if (flag == nullptr) return std::nullopt;
  return flag->value;
}

std::optional<std::string> CommandLine::global_value(const std::string& name) const {
  const Flag* flag = last_flag(global_flags, name);
  if (flag == nullptr) return std::nullopt;
  return flag->value;
}

bool CommandLine::has(const std::string& name) const { return last_flag(flags, name) != nullptr; }

std::vector<std::string> CommandLine::words_with(const std::string& name,
                                                 const std::string& value) const {
  std::vector<std::string> out = words;
  const std::string word = "--" + name + "=" + value;
  if (const Flag* flag = last_flag(flags, name)) {
    const auto at = out.begin() + static_cast<long>(flag->first_word);
    *at = word;
    if (flag->words == 2) out.erase(at + 1);
  } else {
    out.insert(out.begin() + static_cast<long>(verb_word) + 1, word);
  }
  return out;
}

bool is_valid_id(const std::string& id) {
  if (id.empty() || id.size() > 255 || id == "." || id == "..") return false;
  for (const char c : id) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && c != '_' && c != '+' && c != '-' && c != '.') return false;
  }
  return true;
}

}  // namespace mx::oci
