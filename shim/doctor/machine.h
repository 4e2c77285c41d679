// What mx needs of the kernel and of the rights it runs with. Each thing is tried in children of
// its own, with the calls that a monitor and its versions make; nothing is left behind.
#pragma once
#include <vector>

#include "shim/doctor/finding.h"

namespace mx::doctor {

/// In the order in which a run needs them. Forks; the caller has one thread.
std::vector<Finding> examine_machine();

}  // namespace mx::doctor
