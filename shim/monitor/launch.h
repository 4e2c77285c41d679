// Starts the first process of a version.
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "oci/start/identity.hpp"
#include "shim/monitor/arena.h"

namespace mx::monitor {

struct VersionSpec {
  std::string program;            ///< path in its root
  std::string root;               ///< "" or "/": no chroot
  std::vector<std::string> argv;  ///< argv[0] included
  /// In a container: user, rights, root, arguments and environment. Then only `program` (for
  /// messages) of the above counts.
  const start::Launch* identity = nullptr;
  bool terminal = false;  ///< with `identity`: standard input is the program's controlling terminal
};

/// Forks and execs; the new image has the agent in it and runs when this returns. `process` is the
/// index of the root pair. Throws Error (126/127 as a shell for the program's own faults).
pid_t launch(const Arena& arena, const VersionSpec& spec, uint32_t process, stream::Version version,
             bool follower);

}  // namespace mx::monitor
