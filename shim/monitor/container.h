// The monitor as a container's first process (docs/containers.md).
#pragma once
#include <string>

namespace mx::monitor {

/// Runs the versions that the settings file names, to the program's end. Returns the container's
/// exit status. Throws std::runtime_error when nothing could be started.
int run_container(const std::string& settings_path);

}  // namespace mx::monitor
