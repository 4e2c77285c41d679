// Changing members of a JSON text in place: every byte that is not concerned stays. The text must
// be valid JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace mx::oci {

// Byte offsets in the text: of the key's first quote, and of the value and its end.
struct JsonMember {
  std::string key;
  size_t begin = 0, value = 0, end = 0;
};

// The members of the object whose "{" is at `brace`.
std::vector<JsonMember> json_members(const std::string& text, size_t brace);

std::optional<JsonMember> find_json_member(const std::string& text, size_t brace,
                                           const std::string& key);

// Puts `"key": value` on a line of its own directly behind the object's "{".
void insert_json_member(std::string& text, size_t brace, const std::string& indent,
                        const std::string& key, const std::string& value);

// Takes a member out of the object: the exact inverse of insert_json_member.
void remove_json_member(std::string& text, size_t brace, const std::string& key);

}  // namespace mx::oci
