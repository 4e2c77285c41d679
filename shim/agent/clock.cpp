#include "shim/agent/clock.h"

#include "shim/agent/lane.h"
#include "shim/agent/memory.h"
#include "shim/agent/query.h"
#include "shim/agent/signals.h"
#include "shim/agent/vdso.h"

namespace mx::agent {

namespace {

// What query.cpp publishes for a clock: struct timespec or timeval, its first half in h.digest.
struct ClockEvent {
  EventHeader h;
  uint64_t second_half;
};
static_assert(sizeof(ClockEvent) == 40);
constexpr uint32_t kValueSize = 16;

struct Request {
  uint16_t nr;
  uint32_t clock;
  uint64_t to;
};

bool read_request(const Regs* r, Request& q) {
  if (r->nr == __NR_clock_gettime) {
    q = {__NR_clock_gettime, static_cast<uint32_t>(r->rdi), r->rsi};
  } else if (r->nr == __NR_gettimeofday && r->rsi == 0) {
    q = {__NR_gettimeofday, 0, r->rdi};
  } else {
    return false;
  }
  return q.to >= stream::kPage;
}

// Who looks for faults or for a failing process takes the general path.
bool plain_leader(const Thread* t) {
  return !control()->settings.fault_kind &&
         !t->proc->shared->failing.load(std::memory_order_relaxed);
}

bool lead(Thread* t, const Request& q) {
  uint64_t value[2];
  if (!read_clock(t, q.nr, q.clock, value)) return false;
  memcpy(reinterpret_cast<void*>(q.to), value, kValueSize);
  if (t->role != Role::kLeader) return true;
  ClockEvent e{{sizeof e.second_half, q.nr, EventKind::kQuery, 0, 0,
                query_word(q.clock, kValueSize), value[0]},
               value[1]};
  if (lane_begin(t, sizeof e) && lane_put(t, &e, sizeof e)) lane_commit(t);
  return true;
}

bool signal_is_next(Thread* t) {
  EventHeader h;
  if (t->limit - t->pos < sizeof h) return false;
  lane_peek(t, 0, &h, sizeof h);
  return h.kind == EventKind::kSignal;
}

// Only if the very event is there already; everything else is for the general path.
bool follow(Thread* t, Regs* r, const Request& q) {
  if (t->limit - t->pos < sizeof(ClockEvent)) {
    t->limit = t->lane->head.load(std::memory_order_acquire);
    if (t->limit - t->pos < sizeof(ClockEvent)) return false;
  }
  ClockEvent e;
  lane_peek(t, 0, &e, sizeof e);
  bool mine = e.h.kind == EventKind::kQuery && e.h.nr == q.nr && e.h.size == sizeof e.second_half &&
              e.h.order == query_word(q.clock, kValueSize) && e.h.result == 0;
  if (!mine) return false;
  const uint64_t value[2] = {e.h.digest, e.second_half};
  memcpy(reinterpret_cast<void*>(q.to), value, kValueSize);
  CachedQuery* last = query_slot(t, q.nr, q.clock);
  last->nr = q.nr;
  last->arg = q.clock;
  last->result = 0;
  last->size = kValueSize;
  memcpy(last->bytes, value, kValueSize);
  t->pos += sizeof e;
  t->lane->follower_events = ++t->events;
  lane_release(t);
  if (signal_is_next(t)) {
    r->rax = 0;
    follow_trailing_signals(t, r);
  }
  return true;
}

}  // namespace

bool serve_clock(Thread* t, Regs* r) {
  Request q;
  if (t->pending || t->signal_follows || t->replays || !read_request(r, q)) return false;
  t->regs = r;  // a fault from here on is the program's bad pointer
  t->regs_redirected = 0;
  bool served = t->role == Role::kFollower ? follow(t, r, q) : plain_leader(t) && lead(t, q);
  if (served && !t->regs_redirected) r->rax = 0;
  t->regs = nullptr;
  if (served && t->pending) arm_deferred(t);
  return served;
}

}  // namespace mx::agent
