#include "oci/spec/document.hpp"

#include <limits>
#include <set>

#include "oci/base/failure.hpp"

namespace mx::oci {
namespace {

// Checks what the parser alone would let pass. The parser itself keeps its state on the heap, so
// depth is limited for the sake of dump() and the destructor, which recurse.
class Guard {
 public:
  explicit Guard(const std::string& name) : name_(name) {}

  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) {
      if (depth >= kMaxSpecDepth)
        throw Failure(name_ + " is nested deeper than " + std::to_string(kMaxSpecDepth));
      if (event == Event::object_start) keys_.emplace_back();
    } else if (event == Event::object_end) {
      keys_.pop_back();
    } else if (event == Event::key) {
      const std::string key = parsed.get<std::string>();
      if (!keys_.back().insert(key).second)
        throw Failure(name_ + " has the member \"" + key + "\" twice in one object");
    }
    return true;
  }

 private:
  std::string name_;
  std::vector<std::set<std::string>> keys_;
};

[[noreturn]] void wrong_type(const std::string& path, const char* expected, const Json& found) {
  throw Failure("config.json: " + path + " is not " + expected + " but of type " +
                found.type_name());
}

}  // namespace

Json parse_document(std::string_view text, const std::string& name) {
  if (text.size() > kMaxSpecBytes)
    throw Failure(name + " is larger than " + std::to_string(kMaxSpecBytes >> 20) + " MiB");
  try {
    // std::function copies its target; a reference keeps the one Guard.
    Guard guard(name);
    Json document = Json::parse(text.begin(), text.end(), std::ref(guard));
    if (!document.is_object()) throw Failure(name + " is not a JSON object");
    return document;
  } catch (const nlohmann::json::exception& error) {
    throw Failure(name + " is not valid JSON: " + error.what());
  }
}

std::string dump_document(const Json& document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const Json* find_member(const Json& document, const std::string& path) {
  const Json* here = &document;
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find('.', at), path.size());
    if (!here->is_object()) wrong_type(path.substr(0, at > 0 ? at - 1 : 0), "an object", *here);
    const auto member = here->find(path.substr(at, end - at));
    if (member == here->end() || member->is_null()) return nullptr;
    here = &*member;
    at = end + 1;
  }
  return here;
}

std::string string_at(const Json& document, const std::string& path, const std::string& fallback) {
  const Json* found = find_member(document, path);
  if (found == nullptr) return fallback;
  if (!found->is_string()) wrong_type(path, "a string", *found);
  return found->get<std::string>();
}

bool bool_at(const Json& document, const std::string& path, bool fallback) {
  const Json* found = find_member(document, path);
  if (found == nullptr) return fallback;
  if (!found->is_boolean()) wrong_type(path, "a boolean", *found);
  return found->get<bool>();
}

int64_t integer_at(const Json& document, const std::string& path, int64_t fallback) {
  const Json* found = find_member(document, path);
  if (found == nullptr) return fallback;
  if (!found->is_number_integer()) wrong_type(path, "an integer", *found);
  if (found->is_number_unsigned() &&
      found->get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    throw Failure("config.json: " + path + " is too large");
  return found->get<int64_t>();
}

std::vector<std::string> strings_at(const Json& document, const std::string& path) {
  std::vector<std::string> out;
  for (const Json& item : array_at(document, path)) {
    if (!item.is_string()) wrong_type(path, "an array of strings", item);
    out.push_back(item.get<std::string>());
  }
  return out;
}

const Json& array_at(const Json& document, const std::string& path) {
  static const Json kEmpty = Json::array();
  const Json* found = find_member(document, path);
  if (found == nullptr) return kEmpty;
  if (!found->is_array()) wrong_type(path, "an array", *found);
  return *found;
}

const Json& object_at(const Json& document, const std::string& path) {
  static const Json kEmpty = Json::object();
  const Json* found = find_member(document, path);
  if (found == nullptr) return kEmpty;
  if (!found->is_object()) wrong_type(path, "an object", *found);
  return *found;
}

}  // namespace mx::oci
