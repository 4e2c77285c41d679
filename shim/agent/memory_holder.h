// Why a killed process is known to be dead at once.
//
// The kernel tells of a process's end after it has taken its memory apart (do_exit: exit_mm before
// exit_notify), which takes milliseconds: half a microsecond a page, and clients wait. The last one
// who has the memory does that. So another process shares the first process's memory (CLONE_VM),
// asleep, and ends when nobody waits any more: the monitor sees to it. Only of a process that has
// been large: tools that add up what processes use (ps, PSS) count the memory of both. Not where a
// control group limits memory: out of it, the kernel would take the holder for the victim (of two
// with the same memory the younger), which ends at once and frees nothing. It waits for a victim's
// memory only as long as that one has it, so it would kill the next, the leader, while the first
// one's memory is being taken apart (mm/oom_kill.c). (A user name space is no matter: unshare(2)
// and setns(2) ask for a single thread, not for memory of its own. kernel/fork.c,
// kernel/user_namespace.c)
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// The first process, at a checkpoint (all other threads rest): makes its holder if it has none.
void hold_memory(Thread* t);
/// After execve: this process has other memory now.
void leave_memory(Thread* t);

}  // namespace mx::agent
