// The pair of processes that this one belongs to: its state, its lanes.
#pragma once
#include "shim/agent/lane.h"

namespace mx::agent {

inline int index_of(Version v) { return static_cast<int>(v); }

inline bool is(const Process* p, PairState s) {
  return p->state.load(std::memory_order_acquire) == static_cast<uint32_t>(s);
}
/// False: the state was another one than `from`.
inline bool change(Process* p, PairState from, PairState to) {
  auto expected = static_cast<uint32_t>(from);
  return p->state.compare_exchange_strong(expected, static_cast<uint32_t>(to));
}

/// What this version's image of the program has in common with the other's.
inline stream::Image& image_of(const Thread* t) {
  return t->proc->shared->image[index_of(t->proc->version)];
}

template <typename F>
void each_lane(Process* p, F&& f) {
  auto index = static_cast<uint32_t>(p - control()->processes);
  for (Lane& l : stream::lanes_taken(*control()))
    if (l.in_use.load() && l.process == index) f(l);
}

/// The lane of the thread that the program knows as `vtid`; null: there is none.
inline Lane* lane_of(Process* p, int64_t vtid) {
  Lane* found = nullptr;
  each_lane(p, [&](Lane& l) {
    if (!found && l.vtid == vtid) found = &l;
  });
  return found;
}

/// Both ends of each lane look up.
inline void wake_all(Process* p) {
  each_lane(p, [](Lane& l) {
    l.consumer_waits.store(0);
    futex_wake(&l.consumer_waits, 8);
    l.producer_waits.store(0);
    futex_wake(&l.producer_waits, 8);
  });
}

/// The kernel's id of the other version's process.
inline int32_t twin_pid(const Thread* t) {
  return t->proc->shared->real_pid[index_of(stream::other(t->proc->version))];
}

}  // namespace mx::agent
