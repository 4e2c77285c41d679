// Is the program there at all? Looked up before the container exists, so that a missing binary
// gives the engine's own error (127) and not the monitor's.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "oci/spec/document.hpp"
#include "oci/start/version_settings.hpp"
#include "oci/state/container_state.hpp"
#include "oci/store/store.hpp"

namespace mx::oci {

// True when the first version's program is in no place PATH names: the caller then leaves the
// bundle alone, and the inner runtime says what it always says. A place below a mount other than
// the root counts as "may be there".
// Throws Failure when the first version's program is there and the second image's is not.
bool program_is_missing(const Json& original, const start::ContainerSettings& settings,
                        const ContainerState& state, const std::optional<StoredImage>& image);

// Looks `version.args[0]` up inside the tree `root` (a descriptor) with the version's PATH and
// folder. Returns the path found, "" if it is nowhere.
std::string find_program_in(int root, const start::VersionSettings& version);

}  // namespace mx::oci
