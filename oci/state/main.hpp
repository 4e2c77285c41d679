// `mx ps` and `mx events` for containers, read from the state folders.
#pragma once

#include <string>

#include "oci/settings/config_file.hpp"

namespace mx::oci {

// One line a container: id, leader, versions, source, since when.
std::string list_containers(const Config& config);

// The file with the report lines of a container: living, or the latest kept one. An unambiguous
// beginning of the id is enough. Throws Failure if there is none or more than one.
std::filesystem::path report_of(const Config& config, const std::string& id);

}  // namespace mx::oci
