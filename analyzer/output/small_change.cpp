#include "analyzer/output/small_change.h"

#include <cctype>
#include <vector>

#include "analyzer/output/side_by_side.h"

namespace mx::analyzer {
namespace {

constexpr uint32_t kMostDiffering = 24;  // instructions; more is no small change

struct Parts {
  std::string code, comment;
};
Parts parts_of(const std::string& text) {
  size_t at = text.find("  ; ");
  if (at == std::string::npos) return {text, ""};
  return {text.substr(0, at), text.substr(at + 4)};
}

// The instruction with "#" for every number; registers keep theirs.
std::string without_numbers(const std::string& code) {
  std::string out;
  for (size_t at = 0; at < code.size();) {
    bool starts = std::isdigit(static_cast<unsigned char>(code[at])) &&
                  (at == 0 || !std::isalnum(static_cast<unsigned char>(code[at - 1])));
    if (!starts) {
      out += code[at++];
      continue;
    }
    if (!out.empty() && out.back() == '-') out.pop_back();
    out += '#';
    while (at < code.size() && std::isalnum(static_cast<unsigned char>(code[at]))) ++at;
  }
  return out;
}

// Equal, or two strings, or two constants without a name.
bool alike(const std::string& a, const std::string& b) {
  if (a == b) return true;
  return !a.empty() && !b.empty() && (a[0] == '"' || a[0] == '0') && a[0] == b[0];
}

bool differ_in_numbers(const CodeLine& a, const CodeLine& b) {
  Parts x = parts_of(a.old_text), y = parts_of(b.new_text);
  bool flow = x.code[0] == 'j' || x.code.compare(0, 4, "call") == 0;
  return !flow && without_numbers(x.code) == without_numbers(y.code) && alike(x.comment, y.comment);
}

// Of a reference what it refers to says more than its address.
std::string shown(const std::string& text) {
  Parts p = parts_of(text);
  if (p.comment.empty()) return p.code;
  size_t space = p.code.find(' ');
  return p.code.substr(0, space) + " " + p.comment;
}

}  // namespace

std::optional<SmallChange> numbers_only(const Analysis& a, const FunctionResult& r) {
  if (r.status != FunctionStatus::changed || r.steps_old != r.steps_new) return std::nullopt;
  if (r.steps_old - r.steps_common > kMostDiffering) return std::nullopt;
  SmallChange out;
  std::vector<CodeLine> olds, news;
  auto flush = [&] {  // one run of lines that differ
    if (olds.size() != news.size()) return false;
    for (size_t k = 0; k < olds.size(); ++k) {
      if (!differ_in_numbers(olds[k], news[k])) return false;
      if (out.instructions++) continue;
      std::string was = shown(olds[k].old_text), is = shown(news[k].new_text);
      out.shown = was == is ? "what `" + is + "` refers to" : was + " -> " + is;
    }
    olds.clear();
    news.clear();
    return true;
  };
  for (const CodeLine& l : side_by_side(a, r)) {
    if (l.kind == CodeLine::removed) olds.push_back(l);
    if (l.kind == CodeLine::added) news.push_back(l);
    if (l.kind == CodeLine::same && !flush()) return std::nullopt;
  }
  if (!flush() || out.instructions == 0) return std::nullopt;
  return out;
}

}  // namespace mx::analyzer
