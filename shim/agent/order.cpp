#include "shim/agent/order.h"

#include "shim/agent/failover.h"
#include "shim/agent/lane.h"

namespace mx::agent {

namespace {

Word& slot_of(Process* p, uint64_t order) { return p->turn_slots[order % stream::kTurnSlots]; }

// Whose turn it is may sleep because nobody thought its events worth a wake-up.
void wake_who_is_next(Process* p) {
  uint64_t turn = p->turn.load();
  uint32_t lane = p->order_lane[turn % stream::kOrderLanes].load(std::memory_order_relaxed);
  if (lane == 0 || lane > stream::kMaxLanes) return;
  Lane& l = control()->lanes[lane - 1];
  if (l.head.load() == l.tail.load() || l.consumer_waits.load() != 1) return;
  if (l.consumer_waits.exchange(0) == 1) futex_wake(&l.consumer_waits, 1);
}

}  // namespace

void take_order(Thread* t, EventHeader& h) {
  Process* p = t->proc->shared;
  if (p->threads.load(std::memory_order_relaxed) <= 1 && !t->proc->multi_threaded) return;
  t->proc->multi_threaded = 1;
  h.flags |= stream::kOrdered;
  h.order = t->ticket ? t->ticket - 1 : p->order.fetch_add(1);
  p->order_lane[h.order % stream::kOrderLanes].store(static_cast<uint16_t>(t->lane_index + 1),
                                                     std::memory_order_relaxed);
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
    wake_who_is_next(p);
    Word& slot = slot_of(p, h.order);
    slot.store(1);
    if (p->turn.load() < h.order) futex_wait(&slot, 1, 50);
  }
}

void pass_turn(Thread* t, const EventHeader& h) {
  if (!(h.flags & stream::kOrdered)) return;
  Process* p = t->proc->shared;
  uint64_t now = p->turn.load();
  while (now < h.order + 1 && !p->turn.compare_exchange_weak(now, h.order + 1)) {
  }
  Word& next = slot_of(p, h.order + 1);
  if (next.load() && next.exchange(0)) futex_wake(&next, 1 << 30);
}

}  // namespace mx::agent
