// What mx needs to run containers: its own files and folders, an OCI runtime, engines that know it.
#pragma once
#include <vector>

#include "shim/doctor/finding.h"

namespace mx::doctor {

/// Reads files only. Of an engine that is not installed nothing is said.
std::vector<Finding> examine_containers();

}  // namespace mx::doctor
