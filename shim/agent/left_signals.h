// Signals that a leader which has failed, or hands over, had pending. The kernel would keep them
// for its stand-in, and only the process itself may send a signal with all that another one came
// with: so the stand-in leaves them where the survivor finds them. (Those of a leader that was
// killed are gone: LastWords tell their numbers.)
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// Stand-in, with all signals blocked, before it says that it has let go of its descriptors: takes
/// what the kernel has for this thread and the process, and what this thread's agent had not told
/// the program of.
void leave_signals(Thread* t);
/// Survivor, after that: sends them to itself, but for
/// those in `done`, which it has sent itself already.
void take_left_signals(Thread* t, uint64_t done);

}  // namespace mx::agent
