// The monitor's first step in a container: read the settings and take mx's own mounts out of sight.
#pragma once

#include <linux/filter.h>

#include <map>
#include <string>
#include <vector>

#include "oci/start/version_settings.hpp"

namespace mx::start {

// What the monitor keeps of /dev/.mx once it is hidden.
struct Control {
  ContainerSettings settings;
  int tables_fd = -1;  // folder of site tables made by the host, if there is one
  int state_fd = -1;   // O_PATH of the writable state folder; a detached mount, ".." stays in it
  std::map<std::string, int> root_fds;  // version name to O_PATH of its root; absent for "/"
  std::map<std::string, std::vector<sock_filter>> filters;  // version name to the user's profile
  bool hidden = false;  // false: the kernel or a policy refused umount2; say so in the report

  // A path of a file in the state folder which works although it is mounted nowhere
  // ("/proc/self/fd/N/report.jsonl"). Every process that uses it must have state_fd open.
  std::string state_path(const std::string& file) const;
};

// Reads `settings_path`, opens everything it names, detaches the mounts of the settings and the
// state folder (needs CAP_SYS_ADMIN) and makes this process non-dumpable, so that no version can
// see its memory or descriptors. Call it before any version or thread is started. Descriptors are
// close-on-exec and belong to the caller. Throws std::runtime_error.
Control take_control(const std::string& settings_path);

}  // namespace mx::start
