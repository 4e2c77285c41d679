// Ends the idle pace of a follower's threads, which they cannot end themselves (agent/pace.h).
#pragma once
#include <sys/types.h>

#include <cstdint>

namespace mx::monitor {

/// Whether this process may take a thread out of SCHED_IDLE: CAP_SYS_NICE in the initial user
/// namespace (sched(7), kernel/sched/syscalls.c).
bool may_set_pace();
/// Gives the threads of process `pid` that are SCHED_IDLE another policy (SCHED_*) and slice
/// (nanoseconds; 0: the kernel's). Their nice values stay. Those that have gone are passed over.
void set_pace(pid_t pid, int policy, uint64_t slice);

}  // namespace mx::monitor
