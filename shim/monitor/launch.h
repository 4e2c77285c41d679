// Starts the first process of a version.
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "oci/start/identity.hpp"
#include "shim/monitor/arena.h"
#include "shim/monitor/gate.h"

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

/// The first process of a version on its way to its program; two may be on their way at once.
class Departure {
 public:
  /// Why the child could not become the program: a step, see launch.cpp, and an errno.
  struct Failure {
    int step = 0, error = 0;
  };

  /// Starts the child and waits until it has called execve. `process` is the index of the root
  /// pair. Throws Error. REQUIRES: the gate is mapped.
  Departure(const Arena& arena, const Gate& gate, VersionSpec spec, uint32_t process,
            stream::Version version, bool follower);
  /// Without finish(): ends the process.
  ~Departure();
  Departure(const Departure&) = delete;
  Departure& operator=(const Departure&) = delete;

  /// Waits for the new image and puts the agent into it; it runs when this returns. The leader's
  /// comes first. Throws Error (126/127 as a shell for the program's own faults); the process has
  /// ended then.
  void finish();
  /// Only waits for the new image: the process stands at its exec stop, traced, and ends with this
  /// object. Throws as finish() does.
  void arrive();
  pid_t pid() const { return pid_; }

 private:
  const Arena& arena_;
  const VersionSpec spec_;
  const uint32_t process_;
  const stream::Version version_;
  pid_t pid_ = -1;
  Failure failure_;
  bool runs_ = false;
};

}  // namespace mx::monitor
