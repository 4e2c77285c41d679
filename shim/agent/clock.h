// The clock, without the general path: servers read it several times for every request.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// Serves clock_gettime and gettimeofday from the vDSO (leader, or alone) or from the event at the
/// cursor (follower). False: nothing was done, the general path (query.cpp) has to serve the call.
/// Any thread of the program; `r` as at the call, the result goes to r->rax.
bool serve_clock(Thread* t, Regs* r);

}  // namespace mx::agent
