// The settings file: ContainerSettings as JSON.
#pragma once

#include <string>
#include <string_view>

#include "oci/start/version_settings.hpp"

namespace mx::start {

// JSON text with every field, capabilities and limits by name.
std::string to_json(const ContainerSettings& settings);

// Reads what to_json writes. Throws std::runtime_error that names the field at fault, or says that
// the format number is another one.
ContainerSettings container_settings_from_json(std::string_view text);

// One version alone (the settings of mx-enter).
std::string to_json(const VersionSettings& settings);
VersionSettings version_settings_from_json(std::string_view text);

// "CAP_NET_RAW" to its bit and a mask to names; unknown names give nothing.
std::optional<uint64_t> capability_bit(std::string name);
std::vector<std::string> capability_names(uint64_t mask);

// "RLIMIT_NOFILE" to RLIMIT_NOFILE; nothing for an unknown name.
std::optional<int> limit_by_name(const std::string& name);

}  // namespace mx::start
