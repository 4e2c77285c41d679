// How a thread is scheduled: sched_setattr(2) of the calling thread.
#pragma once
#include "shim/agent/kernel.h"

namespace mx::agent {

struct SchedAttr {  // struct sched_attr
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

/// A thread that the user has given another policy than the usual one keeps it, and its nice value.
inline void set_pace(uint32_t policy, uint64_t slice) {
  SchedAttr a{};
  if (sys(__NR_sched_getattr, 0, &a, sizeof a, 0) != 0) return;
  if (a.policy != 0 /*SCHED_OTHER*/ && a.policy != 3 /*SCHED_BATCH*/) return;
  a.size = sizeof a;
  a.policy = policy;
  a.runtime = slice;
  sys(__NR_sched_setattr, 0, &a, 0);
}

/// A follower never preempts the leader, and gives way to it after a short slice (nanoseconds;
/// since Linux 6.12, before that it is without effect): clients wait for the leader.
inline void give_way() { set_pace(3, 100'000); }
inline void run_as_usual() { set_pace(0, 0); }

}  // namespace mx::agent
