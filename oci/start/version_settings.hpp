// What the monitor must know to start the versions of one container: the settings file's model.
// Format: docs/containers.md, "settings.json". mx-runtime writes it, mx-monitor reads it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mx::start {

// Bump when a field changes its meaning; a reader refuses a file with another number.
inline constexpr int kSettingsFormat = 1;

// Bit n of a mask stands for capability number n of <linux/capability.h>.
struct CapabilitySets {
  uint64_t bounding = 0;
  uint64_t effective = 0;
  uint64_t permitted = 0;
  uint64_t inheritable = 0;
  uint64_t ambient = 0;
  bool operator==(const CapabilitySets&) const = default;
};

struct ResourceLimit {
  int resource = 0;  // RLIMIT_*
  uint64_t soft = 0;
  uint64_t hard = 0;
  bool operator==(const ResourceLimit&) const = default;
};

// What mx maps into a version's address space and counts there (shim/stream/layout.h), at most.
inline constexpr uint64_t kAddressSpaceOfMx = uint64_t{17} << 30;

// One version, as the bundle asked for its process. Paths are seen from the container's first root
// unless said otherwise.
struct VersionSettings {
  std::string name;        // "old" or "new"
  std::string root = "/";  // its root tree; "/" is the container's own
  std::string image;       // where the root came from, for the report
  std::vector<std::string> args;
  std::vector<std::string> env;  // "NAME=value"
  std::string cwd = "/";         // inside its root
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> additional_gids;
  std::optional<mode_t> umask;
  CapabilitySets capabilities;
  std::vector<ResourceLimit> limits;
  bool no_new_privileges = false;
  std::string seccomp_file;    // compiled filter (struct sock_filter, native order); "" for none
  unsigned seccomp_flags = 0;  // SECCOMP_FILTER_FLAG_*
  std::optional<int> oom_score_adj;
  std::string apparmor_profile;  // label to take at exec; "" leaves the inherited one
  std::string selinux_label;     // likewise
  bool operator==(const VersionSettings&) const = default;
};

// The settings of one container.
struct ContainerSettings {
  std::string id;                    // the engine's container id
  std::string leader = "old";        // "old" or "new"
  std::string lockstep = "window";   // "window" or "full"
  std::string threads = "parallel";  // "parallel" or "serial" (shim/agent/baton.h)
  bool recovery = true;
  double hang_timeout = 10;        // seconds; 0 switches the watch off
  bool replay_bundle = false;      // crash folders hold what `mx replay` needs
  bool core = false;               // … and a core file
  std::string rules_file;          // seen from the first root; "" for none
  std::string state_folder;        // writable: report.jsonl, crash/, control.sock
  std::string own_folder;          // where mx's mounts live in the container ("/dev/.mx")
  bool terminal = false;           // the process has a controlling terminal
  int preserved_fds = 0;           // descriptors 3 … 3+n-1 belong to the versions
  std::vector<std::string> notes;  // sentences for the report's `start` events
  std::vector<VersionSettings> versions;
  bool operator==(const ContainerSettings&) const = default;
};

}  // namespace mx::start
