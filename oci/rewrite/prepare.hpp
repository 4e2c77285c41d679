// From a bundle to a container with two versions: the steps shared by mx-runtime and the precreate
// hook.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "oci/rewrite/rewrite.hpp"

namespace mx::oci {

struct Bundle {
  std::string id;
  std::filesystem::path folder;        // absolute
  std::filesystem::path config_file;   // absolute; "" when the engine writes it later (precreate)
  std::filesystem::path runtime_root;  // of the inner runtime, "" unknown
  bool inner_is_runc = true;
  int preserved_fds = 0;
};

struct Prepared {
  ContainerState state;
  std::string new_config;  // bytes for config.json
};

// Reads the request in `text` (the bytes of config.json) and prepares everything on the host: state
// folder, settings, filter, plan. Nothing when no second version is asked for, or when its own
// program is missing (the inner runtime then reports that itself). With run.mx.optional=true a
// failure becomes an event and the config of the container's own image.
// Throws Failure naming the setting; nothing is left behind then.
std::optional<Prepared> prepare(const Config& config, const Bundle& bundle,
                                const std::string& text);

}  // namespace mx::oci
