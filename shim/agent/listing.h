// Directory listings without what only mx has put there.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// getdents64 of /proc/PID/fd leaves out mx's descriptor.
long perform_getdents64(Call& c);

}  // namespace mx::agent
