// A copy of a process: its sleep, and its way back into lockstep when its version has failed.
//
//   asleep --(monitor)--> replaying --> [at crash --(monitor: transplant)--> over --> at divergence
//   --(monitor: back)-->] back --> caught up: lockstep
//
// It consumes the log as any follower does, and makes no system call that others see.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// In the copy: gives up what only the original may hold, sleeps, and returns when it has been
/// woken, with all threads in their places. Ends the process if it is not needed any more.
void sleep_as_copy(Thread* t, stream::Sleeper& s);

/// A copy that catches up, between two events: skips what is history (the fault of the version that
/// failed), says when it has caught up.
void at_boundary(Thread* t);
/// … at the end of a call, t->regs as the program will go on: stands still where the monitor has
/// work to do.
void at_call_end(Thread* t);

}  // namespace mx::agent
