// How a follower's threads are scheduled. Clients wait for the leader: the follower must not take
// the processor from it, nor from them.
//
// Three paces. *Usual*: the leader's and a survivor's, as the program asked for. *Behind*:
// SCHED_BATCH with a short slice, it never preempts the leader. *Idle*: SCHED_IDLE, for a follower
// of a busy program: it runs where nothing else does, and the kernel places what wakes up as if it
// did not run. Where processors are never idle it would starve: the leader asks the monitor to end
// that (want_pace) when the follower lags or is waited for. Only a process with CAP_SYS_NICE can
// (sched(7)), so without such a monitor nobody goes idle.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// The calling thread, of a follower, goes behind.
void give_way(Thread* t);
/// The calling thread has caught up and is about to sleep: idle from here on, if its process has
/// been busy for a while and nobody has had to wait for it.
void give_way_if_busy(Thread* t);
/// The leader's thread waits for its follower, or is far ahead of it.
void want_pace(Thread* t);
/// This version leads from now on: its threads that are in a call of their own meanwhile are idle
/// no more.
void all_run_as_usual(Thread* t);
/// The calling thread leads, or is to catch up, from now on.
void run_as_usual(Thread* t);
/// sched_setscheduler(2), sched_setparam(2), sched_setattr(2): an idle thread may not be given
/// another policy by itself, where a thread of the leader may.
long run_set_policy(struct Call& c);

}  // namespace mx::agent
