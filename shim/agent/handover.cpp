// A planned change of leader, from the leader's side. The monitor asks (monitor/handover.cpp); each
// thread of the leader stops where it is known that no call is in progress; the first one to stop
// gathers the others and commits.
#include "shim/agent/failover.h"
#include "shim/agent/lane.h"
#include "shim/agent/pair.h"

namespace mx::agent {

using stream::HandoverState;

namespace {

bool is(Process* p, HandoverState s) { return p->handover.load() == static_cast<uint32_t>(s); }

bool commit(Process* p) {
  auto asked = static_cast<uint32_t>(HandoverState::kAsked);
  return p->handover.compare_exchange_strong(asked,
                                             static_cast<uint32_t>(HandoverState::kCommitted));
}

// The first thread: waits for the others; does not return if the change takes place.
void lead_handover(Thread* t) {
  Process* p = t->proc->shared;
  while (is(p, HandoverState::kAsked))
    if (gather_threads(t) && commit(p)) become_husk(t);
  if (agent::is(p, PairState::kFailover)) become_husk(t);  // it has failed meanwhile
  p->husk.store(0);
  t->proc->stand_in.store(0);
  p->handover.store(static_cast<uint32_t>(HandoverState::kNone));
  futex_wake(&p->handover, 1 << 30);
}

void wait_for_outcome(Thread* t) {
  Process* p = t->proc->shared;
  t->lane->activity.store(static_cast<uint32_t>(Activity::kParked));
  p->parked.fetch_add(1);
  futex_wake(&p->parked, 8);
  for (;;) {
    uint32_t now = p->handover.load();
    if (now == static_cast<uint32_t>(HandoverState::kCommitted))
      for (;;) sys(__NR_pause);
    if (now == static_cast<uint32_t>(HandoverState::kNone)) break;
    futex_wait(&p->handover, now, -1);
  }
  p->parked.fetch_sub(1);
}

}  // namespace

bool handover_committed(Process* p) { return is(p, HandoverState::kCommitted); }

void park_for_handover(Thread* t) {
  Process* p = t->proc->shared;
  uint32_t activity = t->lane->activity.load();
  uint64_t all = ~uint64_t{0}, old;
  sys(__NR_rt_sigprocmask, 2, &all, &old, 8);
  if (becomes_stand_in(t)) {
    p->husk.store(1);
    lead_handover(t);
  } else {
    wait_for_outcome(t);
  }
  t->lane->activity.store(activity);
  sys(__NR_rt_sigprocmask, 2, &old, nullptr, 8);
}

}  // namespace mx::agent
