// Which mounts are a version's own, and which both roots have.
#pragma once
#include <string>

#include "shim/stream/arena.h"

namespace mx::monitor {

/// Fills Settings::root_is_own and Settings::own_mounts for the versions' roots ("" is "/") by what
/// is mounted in this mount namespace: a mount is shared if the other root has the same folder of
/// the same file system at the same place (volumes, /proc, /dev), else it is the version's own.
void find_own_mounts(stream::Settings& settings, const std::string (&roots)[2]);

}  // namespace mx::monitor
