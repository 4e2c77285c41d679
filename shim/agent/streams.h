// The order in which threads write to a stdio stream. glibc takes a stream's lock inline, in each
// of its functions; what they call with the lock held is hooked instead (LockKind::kStream).
//
// Leader:    publishes a kLock event there, while it holds the lock.
// Follower:  gives the lock back, waits for that event and its turn, takes the lock again, passes
//            the turn, and goes on.
//
// A thread that holds the lock by flockfile(3) has its place from that function, which is a lock as
// others are. What does not come there has no order: characters that putc() puts into the buffer,
// and reading.
#pragma once
#include "shim/agent/hooked_call.h"
#include "shim/agent/state.h"

namespace mx::agent {

/// Runs the function. On the program's stack, see hooked_call.h.
long stream_call(Thread* t, const HookedCall& c);

}  // namespace mx::agent
