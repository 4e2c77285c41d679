#include "shim/agent/order.h"

#include "shim/agent/failover.h"
#include "shim/agent/lane.h"

namespace mx::agent {

void take_order(Thread* t, EventHeader& h) {
  Process* p = t->proc->shared;
  if (p->threads.load(std::memory_order_relaxed) <= 1 && !t->proc->multi_threaded) return;
  t->proc->multi_threaded = 1;
  h.flags |= stream::kOrdered;
  h.order = t->ticket ? t->ticket - 1 : p->order.fetch_add(1);
  t->ticket = 0;
}

void take_ticket(Thread* t) {
  t->proc->multi_threaded = 1;
  if (t->role == Role::kLeader) t->ticket = t->proc->shared->order.fetch_add(1) + 1;
}

void await_turn(Thread* t, const EventHeader& h) {
  if (!(h.flags & stream::kOrdered)) return;
  Process* p = t->proc->shared;
  for (int spin = 0; p->turn.load(std::memory_order_acquire) < h.order; spin++) {
    if (spin < 200) {
      pause();
      continue;
    }
    // A leader that was killed may have taken a ticket and never published: do not wait for it.
    if (leader_is_gone(t) && spin > 400) return;
    if (follower_must_end(t)) return;
    uint32_t seen = p->turn_waits.load();
    p->turn_sleepers.fetch_add(1);
    if (p->turn.load() < h.order) futex_wait(&p->turn_waits, seen, 50);
    p->turn_sleepers.fetch_sub(1);
  }
}

void pass_turn(Thread* t, const EventHeader& h) {
  if (!(h.flags & stream::kOrdered)) return;
  Process* p = t->proc->shared;
  uint64_t now = p->turn.load();
  while (now < h.order + 1 && !p->turn.compare_exchange_weak(now, h.order + 1)) {
  }
  if (p->turn_sleepers.load() == 0) return;
  p->turn_waits.fetch_add(1);
  futex_wake(&p->turn_waits, 1 << 30);
}

}  // namespace mx::agent
