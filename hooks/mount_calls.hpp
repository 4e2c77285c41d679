// mount(2) on places given by descriptor, so that no link can turn up between check and use.
#pragma once

#include <string>
#include <vector>

#include "oci/base/scoped_fd.hpp"

namespace mx::hooks {

// All throw mx::oci::Failure with `what` (the place as the container's user knows it).
void mount_new(int place, const std::string& type, unsigned long flags, const std::string& options,
               const std::string& what);
void bind(int source, int place, bool with_submounts, const std::string& what);
// Remounts the bind whose root `place` is; flags are MS_RDONLY, MS_NOSUID, … added to those it has.
void add_flags(int place, unsigned long flags, const std::string& what);

std::string fd_path(int fd);

// The mount points below `folder`, outermost first, each once, relative to it ("/proc",
// "/dev/pts"), as /proc/self/mountinfo has them.
std::vector<std::string> mounts_below(const std::string& folder);

}  // namespace mx::hooks
