// config.json as JSON that keeps every member it does not know, in its order.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace mx::oci {

using Json = nlohmann::ordered_json;

inline constexpr size_t kMaxSpecBytes = 16u << 20;
inline constexpr int kMaxSpecDepth = 64;

// Parses the text of `name`. Throws Failure (line and column, or the rule that was broken) for text
// that is not JSON, is larger than kMaxSpecBytes, nested deeper than kMaxSpecDepth, has a member
// twice in one object, or is not an object: engines and runtimes would not agree on what it says.
Json parse_document(std::string_view text, const std::string& name);

// Text for the inner runtime. Bytes that are not UTF-8 are replaced as Go's encoder would.
std::string dump_document(const Json& document);

// Typed access. `path` is dotted ("process.user.uid") and names the field in the message. Each
// gives the fallback when a member on the way is missing or null, and throws Failure when a member
// is there with another type.
const Json* find_member(const Json& document, const std::string& path);
std::string string_at(const Json& document, const std::string& path, const std::string& fallback);
bool bool_at(const Json& document, const std::string& path, bool fallback);
int64_t integer_at(const Json& document, const std::string& path, int64_t fallback);
std::vector<std::string> strings_at(const Json& document, const std::string& path);
const Json& array_at(const Json& document, const std::string& path);   // empty array if missing
const Json& object_at(const Json& document, const std::string& path);  // empty object if missing

}  // namespace mx::oci
