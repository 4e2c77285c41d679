// Calls that name a process or a thread of the program and that each version makes for itself, or
// that a version makes which has taken over: the kernel knows its processes and threads by other
// ids.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// The kernel's id of the thread that the program knows as `tid`; unchanged if there is none.
uint64_t own_thread(Thread* t, int64_t tid);
/// Puts this version's id where the call names one (sched_setaffinity(2), getpriority(2), getsid(2)
/// …).
void name_own_ids(Call& c);
/// SO_PEERCRED: the peer as the program knows it.
long perform_getsockopt(Call& c);

}  // namespace mx::agent
