// Checkpoints: a copy of this process that sleeps at a system-call boundary and holds its place in
// the lanes, so that a version that fails can come back (rejoin.h, docs/recovery.md). The monitor
// says when one is wanted (monitor/checkpoints.h); the first thread at the start of a system call
// makes it.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// The thread has been asked to look up, at the start of a call (`event`: one that will be
/// published). True in the copy, when it was woken: this thread, and all others, follow now.
bool looked_up(Thread* t, bool event);
inline bool must_look_up(Thread* t) {
  Process* p = t->proc->shared;
  return __builtin_expect(
      p->look_up[static_cast<int>(t->proc->version)].load(std::memory_order_relaxed), 0);
}

/// A thread that waits, or is about to, at rest (rest.h), has been asked for one.
inline bool wanted_at_rest(Thread* t) {
  const auto v = static_cast<int>(t->proc->version);
  const uint32_t wanted = t->proc->shared->look_up[v].load(std::memory_order_relaxed);
  return __builtin_expect(wanted & (stream::kWantJoint | stream::kWantAtRest), 0);
}
/// It makes it. True in the copy, when it was woken: the caller looks at everything again, as a
/// follower.
bool copied_at_rest(Thread* t);

/// Whether this process can have one now.
bool may_copy(Thread* t);
/// Why it can have none at all; kNone: it can.
stream::CheckpointRefusal why_no_copy(Thread* t);
/// Makes it; all other threads are at rest (stop_others()), and `started` says since when, for the
/// accounts. `round`, `memory`: of a joint one, and the
/// slot where its memory stands (joint.h), else 0. True in the copy, when it was woken.
bool copy_process(Thread* t, uint64_t started, uint32_t round, uint32_t memory);

/// In the copy, which has all that it needs: from now on it is the version's checkpoint, and the
/// last one ends (of a joint one the monitor sees to that). False if nobody wants it any more.
bool takes_its_place(Thread* t, stream::Sleeper& s);

/// This version has changed in a way that its checkpoint cannot follow (threads, processes, shared
/// memory).
void forget_checkpoint(Thread* t,
                       stream::CheckpointRefusal why = stream::CheckpointRefusal::kProcessChanged);
/// The process shares memory in a way that cannot be copied: from now on it has none. Until execve.
void forbid_checkpoints(Thread* t);
/// It shares memory that can: it has checkpoints together with all that have it (joint.h).
void share_memory(Thread* t);
/// The same, but nothing if it does already: its checkpoints stay.
void share_memory_from_now(Thread* t);

/// The sleeper will not be woken. False: it has been, or there is none.
bool give_up(stream::Sleeper& s);
/// It may have to read what was published from its place on.
bool holds_log(const stream::Sleeper& s);

/// A version catches up from the log.
inline bool recovers(const Process* p) {
  return p->recovery.stage.load(std::memory_order_relaxed) != 0;
}
/// So far behind, in bytes, a version has caught up.
inline uint64_t near_enough() {
  return control()->settings.full_lockstep ? stream::kLag / 128 : stream::kLag / 4;
}
/// Whether version v, which has failed, can be brought back.
bool can_recover(const Process* p, Version v);
/// It failed at `position` of a lane (0: killed, there is nothing to carry over), and published up
/// to `end` what the survivor has not done. Before anything else is published. The monitor does the
/// rest.
void begin_recovery(Process* p, Version v, bool led, uint32_t lane, uint64_t position,
                    uint64_t end);
/// There will be none. The leader goes on alone.
void end_recovery(Process* p);

}  // namespace mx::agent
