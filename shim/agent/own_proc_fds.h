// What the killed leader had opened under /proc/self.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// Survivor, with the descriptors of `former`, a pid, taken: those that name that process (a folder
/// or file of /proc/PID, proc(5)) name this one, at the same offset. The kernel answers ESRCH and
/// ENOENT for one that has ended.
void reopen_own_proc(Thread* t, int32_t former);

}  // namespace mx::agent
