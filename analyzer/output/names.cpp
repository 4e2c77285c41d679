#include "analyzer/output/names.h"

#include <cxxabi.h>

#include <cstdlib>

namespace mx::analyzer {
namespace {

constexpr size_t kLongestName = 72;

bool mangled(const std::string& name) { return name.compare(0, 2, "_Z") == 0; }

// Replaces what stands between the outermost pairs of brackets by "…". An operator's own < is none.
std::string without_arguments(const std::string& name, char open, char close) {
  std::string out;
  int depth = 0;
  for (size_t k = 0; k < name.size(); ++k) {
    bool of_operator =
        depth == 0 && out.size() >= 8 && out.find("operator", out.size() - 8) != std::string::npos;
    if (name[k] == open && !of_operator && depth++ == 0) {
      out += open;
      if (k + 1 < name.size() && name[k + 1] != close) out += "…";
    }
    if (name[k] == close && depth > 0 && --depth == 0) {
      out += close;
      continue;
    }
    if (depth == 0) out += name[k];
  }
  return out;
}

bool part_of_name(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '.' || c == '$';
}

}  // namespace

std::string demangled(const std::string& name) {
  if (!mangled(name)) return name;
  int status = 0;
  char* text = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status);
  std::string out = status == 0 && text ? text : name;
  std::free(text);
  return out;
}

std::string short_name(const std::string& name) {
  std::string out = demangled(name);
  if (out.size() > kLongestName) out = without_arguments(out, '<', '>');
  if (out.size() > kLongestName) out = without_arguments(out, '(', ')');
  return out;
}

std::string with_short_names(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && part_of_name(text[end])) ++end;
    if (end == at) {
      out += text[at++];
      continue;
    }
    out += short_name(text.substr(at, end - at));
    at = end;
  }
  return out;
}

bool is_meant(const std::string& wanted, const std::string& name) {
  if (wanted == name) return true;
  std::string full = demangled(name);
  if (full == name) return false;
  return wanted == full ||
         (full.compare(0, wanted.size(), wanted) == 0 && full[wanted.size()] == '(');
}

}  // namespace mx::analyzer
