#include "oci/configure/json_text.hpp"

#include "oci/spec/document.hpp"

namespace mx::oci {
namespace {

size_t skip_space(const std::string& text, size_t at) {
  return text.find_first_not_of(" \t\r\n", at);
}

// `at` is the opening quote; returns what follows the closing one.
size_t skip_string(const std::string& text, size_t at) {
  for (++at; text.at(at) != '"'; ++at)
    if (text[at] == '\\') ++at;
  return at + 1;
}

size_t skip_value(const std::string& text, size_t at) {
  if (text.at(at) == '"') return skip_string(text, at);
  if (text[at] != '{' && text[at] != '[') return text.find_first_of(",]} \t\r\n", at);
  int depth = 0;
  do {
    const char c = text.at(at);
    depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
    at = c == '"' ? skip_string(text, at) : at + 1;
  } while (depth > 0);
  return at;
}

}  // namespace

std::vector<JsonMember> json_members(const std::string& text, size_t brace) {
  std::vector<JsonMember> members;
  for (size_t at = skip_space(text, brace + 1); text.at(at) != '}';) {
    JsonMember member;
    member.begin = at;
    at = skip_string(text, at);
    member.key = Json::parse(text.substr(member.begin, at - member.begin)).get<std::string>();
    member.value = skip_space(text, skip_space(text, at) + 1);  // behind the colon
    member.end = skip_value(text, member.value);
    members.push_back(member);
    at = skip_space(text, member.end);
    if (text.at(at) == ',') at = skip_space(text, at + 1);
  }
  return members;
}

std::optional<JsonMember> find_json_member(const std::string& text, size_t brace,
                                           const std::string& key) {
  for (const JsonMember& member : json_members(text, brace))
    if (member.key == key) return member;
  return std::nullopt;
}

void insert_json_member(std::string& text, size_t brace, const std::string& indent,
                        const std::string& key, const std::string& value) {
  const bool alone = json_members(text, brace).empty();
  text.insert(brace + 1, "\n" + indent + "\"" + key + "\": " + value + (alone ? "" : ","));
}

void remove_json_member(std::string& text, size_t brace, const std::string& key) {
  size_t before = brace + 1;  // the end of what stands in front
  for (const JsonMember& member : json_members(text, brace)) {
    if (member.key != key) {
      before = member.end;
      continue;
    }
    size_t end = member.end;
    const size_t next = skip_space(text, end);
    if (before == brace + 1 && text.at(next) == ',') end = next + 1;
    text.erase(before, end - before);
    return;
  }
}

}  // namespace mx::oci
