#include "shim/agent/doubt.h"

#include "shim/agent/align.h"
#include "shim/agent/failover.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/pair.h"

namespace mx::agent {

namespace {

constexpr int64_t kPatienceNs = 10'000'000'000;  // a server that tests its memory before it aborts
constexpr int64_t kCalmNs = 100'000'000;         // in a call for as long: the leader waits for work
constexpr int64_t kLookAgainMs = 20;

// Of a process that takes over from where the versions parted. Private memory.
uint64_t history_begins = ~uint64_t{0};

uint64_t extent(const EventHeader& h) { return sizeof h + stream::padded(h.size); }

// The leader has taken something from outside that this version could not get again, waits for this
// version, or ends by its own will.
bool irrevocable(const EventHeader& h) {
  if (h.kind == EventKind::kExit || h.kind == EventKind::kTermSignal || h.kind == EventKind::kExec)
    return true;
  if (h.kind != EventKind::kCall) return false;
  if (takes_input(h)) return true;
  switch (h.nr) {
    case __NR_chdir:
    case __NR_fchdir:
      return h.result == 0;
    default:
      return h.flags & stream::kSync;
  }
}

// Full lockstep: the leader would wait for an agreement that never comes.
void agree(Thread* t, uint64_t end) {
  t->lane->acked.store(end);
  wake_producer(t);
}

void skip_to(Thread* t, uint64_t position) {
  while (t->pos < position) {
    EventHeader h;
    lane_peek(t, 0, &h, sizeof h);
    skip_event(t, h);
  }
}

bool whole_event_at(Thread* t, uint64_t position, EventHeader& h) {
  t->limit = t->lane->head.load(std::memory_order_acquire);
  if (t->limit - position < sizeof h) return false;
  lane_peek(t, position - t->pos, &h, sizeof h);
  return t->limit - position >= extent(h);
}

void await_more(Thread* t, uint64_t position) {
  Lane* l = t->lane;
  l->consumer_waits.store(1);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (l->head.load() == position && !leader_is_gone(t))
    futex_wait(&l->consumer_waits, 1, kLookAgainMs);
  l->consumer_waits.store(0);
}

// The leader has failed in another thread, and waits for this version's verdict.
bool fails_elsewhere(Thread* t) {
  bool fails = false;
  each_lane(t->proc->shared, [&](Lane& l) {
    fails |= l.activity.load() == static_cast<uint32_t>(Activity::kAwaitsVerdict) && &l != t->lane;
  });
  return fails;
}

}  // namespace

int64_t monotonic_ns() {
  KernelTimespec now{};
  sys(__NR_clock_gettime, 1 /*CLOCK_MONOTONIC*/, &now);
  return now.sec * 1'000'000'000 + now.nsec;
}

bool failure(const EventHeader& h) {
  return h.kind == EventKind::kFault || (h.kind == EventKind::kExit && h.result != 0);
}

bool reads_or_accepts(long nr) {
  switch (nr) {
    case __NR_read:
    case __NR_readv:
    case __NR_recvfrom:
    case __NR_recvmsg:
    case __NR_recvmmsg:
    case __NR_accept:
    case __NR_accept4:
      return true;
    default:
      return false;
  }
}

bool begins_work(long nr) { return reads_or_accepts(nr) || waits_for_work(nr); }

bool waits_for_work(const EventHeader& h) {
  return h.kind == EventKind::kCall && waits_for_work(h.nr);
}

bool waits_for_work(long nr) {
  switch (nr) {
    case __NR_epoll_wait:
    case __NR_epoll_pwait:
    case __NR_epoll_pwait2:
    case __NR_poll:
    case __NR_ppoll:
    case __NR_select:
    case __NR_pselect6:
      return true;
    default:
      return false;
  }
}

bool takes_input(const EventHeader& h) {
  if (h.kind != EventKind::kCall || waits_for_work(h.nr) || !begins_work(h.nr)) return false;
  return h.nr == __NR_accept || h.nr == __NR_accept4 ? h.result >= 0 : h.result > 0;
}

uint64_t history_from() { return history_begins; }

void forget_history() { history_begins = ~uint64_t{0}; }

bool leader_fails_soon(Thread* t) {
  const int64_t began = monotonic_ns();
  int64_t busy = began;  // when the leader was last seen at work
  const uint64_t parted = t->pos;
  uint64_t position = parted;
  EventHeader h;
  const bool ordered = whole_event_at(t, parted, h) && (h.flags & stream::kOrdered);
  const uint64_t order = ordered ? h.order : ~uint64_t{0};
  while (monotonic_ns() - began < kPatienceNs) {
    if (follower_must_end(t)) end_follower(t);
    bool gone = leader_is_gone(t);
    if (whole_event_at(t, position, h)) {
      if (failure(h)) {
        skip_to(t, position);
        history_begins = order;
        leader_failed(t, h, parted);
        return true;
      }
      if (irrevocable(h)) return false;
      position += extent(h);
      if (h.kind == EventKind::kIntent) agree(t, position);
      busy = monotonic_ns();
      if (position - t->pos > stream::kLag / 2) return false;
    } else if (gone) {
      skip_to(t, position);
      history_begins = order;
      take_over(t);
      return true;
    } else {
      // (Its thread that waits for the verdict of this
      // version's stands behind this one in the order.)
      if (fails_elsewhere(t)) skip_to(t, position);
      await_more(t, position);
      int64_t now = monotonic_ns();
      if (t->lane->activity.load() != static_cast<uint32_t>(Activity::kEventCall)) busy = now;
      if (now - busy > kCalmNs) return false;
    }
  }
  return false;
}

}  // namespace mx::agent
