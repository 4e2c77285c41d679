// What one container asks of mx, by annotations (run.mx.*) or environment variables (MX_*).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "oci/settings/config_file.hpp"
#include "oci/spec/document.hpp"

namespace mx::oci {

// Where the second version's root comes from.
struct Source {
  enum class Kind { kVolume, kImage };
  Kind kind = Kind::kImage;
  std::string path;    // kVolume: clean absolute path in the container
  std::string name;    // kImage: name in the store
  std::string digest;  // kImage: "sha256:…" if the setting names one
  std::string text;    // as it was written
};

struct Request {
  std::string second;   // the version the source is: "new" or "old"
  std::string setting;  // the name it was asked by ("run.mx.new", "MX_OLD"), for messages
  Source source;
  std::string own_image;  // run.mx.image: the container's own image in the store, for its defaults
  std::string leader;
  std::string lockstep;
  std::string threads;
  bool recovery = true;
  double hang_timeout = 10;
  std::string rules;  // clean absolute path in the container
  bool optional = false;

  std::string first() const { return second == "new" ? "old" : "new"; }
};

// True for what may stand behind "image:": letters, digits and ". _ - / :", no "..", at most 200.
bool is_image_name(const std::string& name);

// True when the bytes of a config.json may ask for something. No parsing: a false answer is final
// and lets the create path of ordinary containers cost one scan.
bool may_ask(std::string_view config);

// True when the container sets run.mx.optional / MX_OPTIONAL to true; false on any doubt.
bool is_optional(const Json& config);

// The container's request; nothing when it names no second version, or when it is a pod's sandbox.
// An annotation wins over its variable. Throws Failure naming the setting.
std::optional<Request> read_request(const Json& config, const Config& defaults);

// `env` without mx's variables (MX_OLD=… and so on; other names with MX_ are the program's own).
std::vector<std::string> without_settings(const std::vector<std::string>& env);

}  // namespace mx::oci
