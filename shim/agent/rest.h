// Threads at rest: where a thread waits without anything half done, so that another one may copy
// the process and have the thread made anew in the copy (checkpoint.h). In a process with one
// thread it costs nothing.
//
// In the copy the function with which the thread slept returns and says so; what stands on the
// thread's agent stack above it is there as it was. The role is another one then: the caller looks
// at everything again.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// futex_wait at rest. True in the copy; `result`, if given, takes the kernel's answer.
bool sleep_at_rest(Thread* t, Word* word, uint32_t value, int64_t timeout_ms,
                   long* result = nullptr);
/// mx_blocking at rest. kFollowsNow in the copy.
long block_at_rest(Thread* t, long nr, const uint64_t args[6]);
/// Rests where it stands until nobody makes a copy any more.
void stand_still(Thread* t);

/// Whether all other threads of this process are at rest; `kick`: the others are sent a signal.
bool others_rest(Thread* t, bool kick);
/// Brings all other threads of this process to rest, for release_others(). False: some do not come;
/// then nobody is held.
bool stop_others(Thread* t);
void release_others(Thread* t);

}  // namespace mx::agent
