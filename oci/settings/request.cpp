#include "oci/settings/request.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>

#include "oci/base/failure.hpp"
#include "oci/base/files.hpp"

namespace mx::oci {
namespace {

constexpr std::array kNames = {"old",      "new",          "leader", "lockstep", "threads",
                               "recovery", "hang-timeout", "rules",  "optional", "image"};

struct Value {
  std::string setting;  // the name to show
  std::string text;
};

std::string variable_of(const std::string& name) {
  std::string variable = "MX_";
  for (const char c : name)
    variable += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  return variable;
}

using Values = std::map<std::string, Value>;

void read_annotations(const Json& config, Values& values) {
  for (const auto& [key, value] : object_at(config, "annotations").items()) {
    if (!key.starts_with("run.mx.")) continue;
    const std::string name = key.substr(7);
    if (std::find(kNames.begin(), kNames.end(), name) == kNames.end())
      throw Failure("unknown annotation " + key);
    if (!value.is_string()) throw Failure("annotation " + key + " is not a string");
    values[name] = {key, value.get<std::string>()};
  }
}

void read_environment(const Json& config, Values& values) {
  for (const std::string& entry : strings_at(config, "process.env"))
    for (const std::string name : kNames) {
      const std::string variable = variable_of(name);
      if (entry.starts_with(variable + "="))
        values.insert({name, {variable, entry.substr(variable.size() + 1)}});
    }
}

Values read_values(const Json& config) {
  Values values;
  read_annotations(config, values);
  read_environment(config, values);
  // `-e MX_NEW=` switches off what a compose file would set.
  std::erase_if(values, [](const auto& item) { return item.second.text.empty(); });
  return values;
}

bool is_digest(const std::string& digest) {
  return digest.size() == 71 && digest.starts_with("sha256:") &&
         digest.find_first_not_of("0123456789abcdef", 7) == std::string::npos;
}

Source read_source(const Value& value) {
  Source source;
  source.text = value.text;
  if (value.text.starts_with("volume:")) {
    source.kind = Source::Kind::kVolume;
    source.path = clean_absolute(value.text.substr(7), value.setting);
    if (source.path == "/")
      throw Failure(value.setting + ": \"" + value.text + "\" is the container's own root");
    return source;
  }
  if (!value.text.starts_with("image:"))
    throw Failure(value.setting + ": \"" + value.text +
                  "\" is neither volume:/PATH nor image:NAME[@DIGEST]");
  source.name = value.text.substr(6);
  const size_t at = source.name.find('@');
  if (at != std::string::npos) {
    source.digest = source.name.substr(at + 1);
    source.name.resize(at);
    if (!is_digest(source.digest))
      throw Failure(value.setting + ": \"" + source.digest + "\" is not a digest (sha256:…)");
  }
  if (!is_image_name(source.name))
    throw Failure(value.setting + ": \"" + source.name + "\" is not the name of an image");
  return source;
}

std::string choice(const Values& values, const std::string& name, const std::string& fallback,
                   const std::string& first, const std::string& second) {
  const auto found = values.find(name);
  if (found == values.end()) return fallback;
  if (found->second.text != first && found->second.text != second)
    throw Failure(found->second.setting + ": \"" + found->second.text + "\" is neither \"" + first +
                  "\" nor \"" + second + "\"");
  return found->second.text;
}

double seconds(const Values& values, double fallback) {
  const auto found = values.find("hang-timeout");
  if (found == values.end()) return fallback;
  const std::string& text = found->second.text;
  char* end = nullptr;
  const double value = strtod(text.c_str(), &end);
  if (*end != '\0' || !(value >= 0 && value <= 1e9) || text.find_first_of("xXnN") != text.npos)
    throw Failure(found->second.setting + ": \"" + text + "\" is not a number of seconds");
  return value;
}

bool is_sandbox(const Json& config) {
  const Json& annotations = object_at(config, "annotations");
  for (const char* key : {"io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"})
    if (annotations.contains(key) && annotations[key] == "sandbox") return true;
  return false;
}

}  // namespace

bool is_image_name(const std::string& name) {
  if (name.empty() || name.size() > 200 || name[0] == '.' || name[0] == '-') return false;
  return std::all_of(name.begin(), name.end(),
                     [](unsigned char c) {
                       return isalnum(c) || c == '.' || c == '_' || c == '-' || c == '/' ||
                              c == ':';
                     }) &&
         name.find("..") == std::string::npos && name.find("//") == std::string::npos;
}

bool may_ask(std::string_view config) {
  // \u: a name might be written with escapes; parse then.
  for (const char* word : {"run.mx.", "MX_OLD", "MX_NEW", "\\u00"})
    if (config.find(word) != config.npos) return true;
  return false;
}

bool is_optional(const Json& config) {
  try {
    const Values values = read_values(config);
    const auto found = values.find("optional");
    return found != values.end() && found->second.text == "true";
  } catch (const Failure&) {
    const Json* value = nullptr;
    try {
      const Json& annotations = object_at(config, "annotations");
      if (annotations.contains("run.mx.optional")) value = &annotations["run.mx.optional"];
    } catch (const Failure&) {
      return false;
    }
    return value != nullptr && *value == "true";
  }
}

std::optional<Request> read_request(const Json& config, const Config& defaults) {
  if (is_sandbox(config)) return std::nullopt;
  const Values values = read_values(config);
  const auto old_one = values.find("old");
  const auto new_one = values.find("new");
  if (old_one == values.end() && new_one == values.end()) return std::nullopt;
  if (old_one != values.end() && new_one != values.end())
    throw Failure(old_one->second.setting + " and " + new_one->second.setting +
                  " are both set, but the container's own image is one of the two versions");
  const Value& value = old_one != values.end() ? old_one->second : new_one->second;
  Request request;
  request.second = old_one != values.end() ? "old" : "new";
  request.setting = value.setting;
  request.source = read_source(value);
  request.leader = choice(values, "leader", defaults.leader, "old", "new");
  request.lockstep = choice(values, "lockstep", defaults.lockstep, "window", "full");
  request.threads = choice(values, "threads", defaults.threads, "parallel", "serial");
  request.recovery =
      choice(values, "recovery", defaults.recovery ? "on" : "off", "on", "off") == "on";
  request.hang_timeout = seconds(values, defaults.hang_timeout);
  request.optional = choice(values, "optional", "false", "true", "false") == "true";
  if (const auto rules = values.find("rules"); rules != values.end())
    request.rules = clean_absolute(rules->second.text, rules->second.setting);
  if (const auto image = values.find("image"); image != values.end()) {
    request.own_image = image->second.text;
    if (!is_image_name(request.own_image))
      throw Failure(image->second.setting + ": \"" + request.own_image +
                    "\" is not the name of an image");
  }
  return request;
}

std::vector<std::string> without_settings(const std::vector<std::string>& env) {
  std::vector<std::string> out;
  for (const std::string& entry : env) {
    const bool ours = std::any_of(kNames.begin(), kNames.end(), [&](const std::string& name) {
      return entry.starts_with(variable_of(name) + "=");
    });
    if (!ours) out.push_back(entry);
  }
  return out;
}

}  // namespace mx::oci
