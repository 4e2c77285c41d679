// Builds mx's folder and the second version's root in a container that is being created.
#pragma once

#include "hooks/plan.hpp"

namespace mx::hooks {

// Runs in the container's mount namespace before pivot_root, when the runtime has made the first
// root's mounts. Mounts
//   OWN          tmpfs, 0711
//   OWN/bin/…    mx-monitor and mx-enter, read-only
//   OWN/in       settings and filter, read-only
//   OWN/out      report, crash folders
//   OWN/SECOND   overlay: the second image below, an upper layer of this container above; in it
//                every mount of the first root again, with the same masked and read-only paths
// and creates both versions' working folders. Throws mx::oci::Failure.
void build_own_folder(const Plan& plan);
void build_second_root(const Plan& plan);

}  // namespace mx::hooks
