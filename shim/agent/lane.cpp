#include "shim/agent/lane.h"

#include "shim/agent/baton.h"
#include "shim/agent/checkpoint.h"
#include "shim/agent/damage.h"
#include "shim/agent/failover.h"
#include "shim/agent/log.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/pace.h"
#include "shim/agent/pair.h"
#include "shim/agent/patience.h"
#include "shim/agent/rejoin.h"
#include "shim/agent/report.h"
#include "shim/agent/rest.h"

namespace mx::agent {

namespace {
constexpr uint64_t kLag = stream::kLag, kRingMask = kLag - 1;
constexpr int64_t kStepMs = 100,
                  kExtraMs = 1000;  // of a producer that waits; a verdict may take longer
constexpr uint64_t kWakeTicks =
    1'200'000;  // ~500 µs at 2.4 GHz: bounds the lag of an awake machine
constexpr int kSpins =
    300;  // of a leader that waits for its follower: somebody waits for the leader
constexpr int kFollowerSpins =
    30;  // a follower that has caught up gives the core back; it works in batches

uint64_t load_head(Lane* l) { return l->head.load(std::memory_order_acquire); }
uint64_t load_tail(Lane* l) { return l->tail.load(std::memory_order_acquire); }

void wake_consumer(Lane* l) {
  if (l->consumer_waits.exchange(0) == 1) futex_wake(&l->consumer_waits, 1);
}

bool follower_left(Thread* t) {
  return t->proc->shared->state.load(std::memory_order_acquire) ==
         static_cast<uint32_t>(PairState::kSolo);
}

// A follower that gives way may not be far behind: what it has not done yet, it does before it can
// lead.
void look_at_lag(Thread* t) {
  constexpr uint64_t kMost = kLag / 4, kStep = kLag / 16;
  if (!t->proc->shared->gives_way.load(std::memory_order_relaxed)) return;
  if (t->pos - load_tail(t->lane) > kMost) want_pace(t);
  if (t->limit - t->pos > kStep) t->limit = t->pos + kStep;  // look again then
}

// Waits for space; the follower may be far behind, or gone.
bool wait_for_space(Thread* t, uint64_t n) {
  Lane* l = t->lane;
  l->head.store(t->pos, std::memory_order_release);
  Patience patience;
  const uint64_t enough = room_wanted(t->proc->shared, n);
  for (int spin = 0;; spin++) {
    t->limit = log_end(t);
    if (t->limit - t->pos >= enough) {
      keep_log(t, enough);
      look_at_lag(t);
      return true;
    }
    if (follower_left(t)) return false;
    if (t->pos - load_tail(l) > kMostUnread) {
      drop_follower(
          t, "its place in the leader's events makes no sense: the shared arena was written over");
      return false;
    }
    if (make_room(t, enough)) continue;  // (a checkpoint of its own waits for this thread)
    if (l->consumer_waits.load() == 1) wake_consumer(l);
    if (spin < kSpins) {
      pause();
      continue;
    }
    want_pace(t);
    uint64_t tail = load_tail(l);
    const int64_t limit = control()->settings.hang_timeout_ms;
    l->producer_waits.store(stream::kWaitsForTail);
    if (log_end(t) - t->pos >= enough) continue;
    patience.begin();
    const uint64_t since = tsc();
    futex_wait(&l->producer_waits, stream::kWaitsForTail, kStepMs);
    l->producer_waits.store(0);
    l->waited_ticks.store(l->waited_ticks.load(std::memory_order_relaxed) + (tsc() - since),
                          std::memory_order_relaxed);
    if (load_tail(l) != tail) {
      patience.reset();
    } else if (limit && patience.waited(kStepMs) >= limit) {
      give_up_follower(t, "follower does not read its lane");
      return false;
    }
  }
}
}  // namespace

long futex_wait(Word* w, uint32_t value, int64_t timeout_ms) {
  KernelTimespec ts{timeout_ms / 1000, (timeout_ms % 1000) * 1000000};
  return sys(__NR_futex, w, 0 /*FUTEX_WAIT*/, value, timeout_ms < 0 ? nullptr : &ts, 0, 0);
}

long futex_wake(Word* w, int count) { return sys(__NR_futex, w, 1 /*FUTEX_WAKE*/, count, 0, 0, 0); }

bool lane_begin(Thread* t, uint64_t n) {
  if (n > kLag / 4) n = kLag / 4;
  return t->limit - t->pos >= n || wait_for_space(t, n);
}

bool lane_put(Thread* t, const void* bytes, uint64_t n) {
  uint8_t* ring = lane_ring(t->lane_index);
  auto* from = static_cast<const uint8_t*>(bytes);
  while (n) {
    uint64_t space = t->limit - t->pos;
    if (space == 0) {
      if (!wait_for_space(t, n < kLag / 4 ? n : kLag / 4)) return false;
      continue;
    }
    uint64_t at = t->pos & kRingMask;
    uint64_t part = n < space ? n : space;
    if (part > kLag - at) part = kLag - at;
    memcpy(ring + at, from, part);
    t->pos += part;
    from += part;
    n -= part;
  }
  return true;
}

bool lane_pad(Thread* t, uint64_t n) {
  static constexpr uint64_t zero = 0;
  uint64_t pad = stream::padded(n) - n;
  return pad ? lane_put(t, &zero, pad) : true;
}

void lane_commit(Thread* t) {
  Lane* l = t->lane;
  l->head.store(t->pos, std::memory_order_release);
  t->events++;
  l->events = t->events;
  if (l->consumer_waits.load(std::memory_order_relaxed) == 0) return;
  uint64_t now = tsc();
  uint64_t unread = t->pos - l->tail.load(std::memory_order_relaxed);
  if (l->first_unread_tsc == 0) {
    bool rare = now - t->last_publish_tsc > kWakeTicks;
    l->first_unread_tsc = now;
    t->last_publish_tsc = now;
    if (!rare && unread < kLag / 2) return;
  } else {
    t->last_publish_tsc = now;
    if (now - l->first_unread_tsc < kWakeTicks && unread < kLag / 2) return;
  }
  l->first_unread_tsc = 0;
  wake_consumer(l);
}

void lane_rewind(Thread* t) { t->pos = load_head(t->lane); }

void lane_flush(Thread* t) {
  Lane* l = t->lane;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (l->consumer_waits.load() == 1 && load_tail(l) != t->pos) {
    l->first_unread_tsc = 0;
    wake_consumer(l);
  }
}

bool consumer_behind(const Thread* t) {
  return t->role == Role::kLeader && t->lane->consumer_waits.load(std::memory_order_relaxed) == 1 &&
         load_tail(t->lane) != t->pos;
}

// Judged in this order: a follower may answer and end at once.
static bool follower_ended(Thread* t, bool verdict) {
  if (follower_alive(t) || recovers(t->proc->shared)) return false;
  Lane* l = t->lane;
  return verdict ? l->verdict.load() == 0 : load_tail(l) != t->pos;
}

namespace {
Verdict rendezvous(Thread* t, bool verdict) {
  Lane* l = t->lane;
  Patience patience;
  int64_t limit = control()->settings.hang_timeout_ms;
  for (int spin = 0;; spin++) {
    auto v = static_cast<Verdict>(l->verdict.load(std::memory_order_acquire));
    bool consumed = load_tail(l) == t->pos;
    if (verdict ? v != Verdict::kNone : consumed) return v;
    if (follower_left(t)) return Verdict::kFollowerDropped;
    if (!verdict && recovers(t->proc->shared))
      return Verdict::kNone;  // it catches up, from the log
    wake_consumer(l);
    if (spin < kSpins) {
      pause();
      continue;
    }
    want_pace(t);
    uint64_t tail = load_tail(l);
    l->producer_waits.store(stream::kWaitsForTail);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    patience.begin();
    if (l->verdict.load() == 0 && load_tail(l) == tail)
      futex_wait(&l->producer_waits, stream::kWaitsForTail, kStepMs);
    l->producer_waits.store(0);
    if (load_tail(l) != tail || (verdict && l->verdict.load() != 0)) {
      patience.reset();
    } else if (follower_ended(t, verdict) ||
               (limit && patience.waited(kStepMs) > limit + kExtraMs)) {
      give_up_follower(t, "follower does not answer");
      return Verdict::kFollowerDropped;
    }
  }
}

}  // namespace

Verdict lane_rendezvous(Thread* t, bool verdict) {
  if (!verdict) return rendezvous(t, false);
  Word& activity = t->lane->activity;
  uint32_t waits = static_cast<uint32_t>(Activity::kAwaitsVerdict);
  const uint32_t before = activity.exchange(waits);
  const Verdict v = rendezvous(t, true);
  activity.compare_exchange_strong(waits, before);  // (the lane may be a new leader's by now)
  return v;
}

namespace {

// The leader's thread has begun a call, whose event will stand at `head`.
bool begins_call(const Lane* l, uint64_t head) {
  return l->flight.phase.load(std::memory_order_acquire) != 0 && l->flight.head == head;
}

// … and everything before it is consumed.
bool leader_in_call(Thread* t) {
  return begins_call(t->lane, t->pos) && load_head(t->lane) == t->pos;
}

// Of threads only: where one waits for what will never
// come, it may hold a lock that another one needs.
bool leader_has_ended(const Thread* t) {
  const Process* p = t->proc->shared;
  const int leader = index_of(stream::other(t->proc->version));
  return t->proc->multi_threaded && p->real_pid[leader] > 0 && !p->alive[leader].load() &&
         load_head(t->lane) == t->pos;
}

// A question that this version asks and its leader has not asked.
bool has_not_asked(Thread* t) {
  return leader_has_ended(t) || (another_follows(t) && load_head(t->lane) == t->pos);
}

// After a sleep of at most `step` in which it has done nothing.
bool leader_hangs(Thread* t, Patience& patience, int64_t step, int64_t limit) {
  const int64_t waited = patience.waited(step);
  // Looked at from half of the time on: it may be let go just before the end.
  const bool stopped = waited >= limit / 2 && leader_is_stopped(t);
  if (!stopped && waited < limit) return false;
  if (!stopped && declare_leader_hung(t)) return true;
  patience.reset();
  return false;
}

// No event of the leader's thread will come before what is known of it otherwise.
using Beyond = bool (*)(Thread* t);

// Of a child in full lockstep the leader may wait, in memory, for another child's leader, and that
// one for its follower: it shall give that up first.
int64_t patience_with_leader(const Thread* t) {
  const auto& settings = control()->settings;
  const int64_t limit = settings.hang_timeout_ms;
  return settings.full_lockstep && !t->proc->shared->is_root ? limit + limit / 4 : limit;
}

// `beyond`: asked as long as nothing is there, and set if that is so; may be null.
Wait wait_for_bytes(Thread* t, uint64_t n, Beyond is_beyond, bool* beyond) {
  constexpr int64_t kLongMs = 500, kLookMs = 20;  // nobody wakes a follower because of a call
  constexpr int64_t kSerialLookMs = 1;
  constexpr int kLongestLooks = 1000;
  const int64_t step = !is_beyond ? kLongMs : is_serial(t) ? kSerialLookMs : kLookMs;
  Lane* l = t->lane;
  Patience patience;
  const int64_t limit = t->waits_for_lock ? 0 : patience_with_leader(t);
  const int spins = control()->settings.cpus > 1 ? kFollowerSpins : 0;
  const bool between = n == sizeof(EventHeader);  // two events: nothing is half read
  uint64_t last_head = load_head(l);
  for (int spin = 0;; spin++) {
    t->limit = load_head(l);
    if (between && t->replays) at_boundary(t);
    if (t->limit - t->pos >= n) return Wait::kReady;
    // (A question is answered before its leader's thread lets others run; if it does not ask, it
    // may have let them.)
    if (!is_beyond || spin > spins + kLongestLooks) pass_baton(t);
    if (follower_must_end(t)) return Wait::kDropped;
    if (leader_is_gone(t)) {
      await_last_events(t);
      if (load_head(l) - t->pos >= n) continue;
      return Wait::kLeaderGone;
    }
    if (is_beyond && is_beyond(t)) {
      *beyond = true;
      return Wait::kReady;
    }
    if (spin < spins) {
      pause();
      continue;
    }
    lane_release(t);
    if (between) give_way_if_busy(t);
    patience.begin();
    l->consumer_waits.store(1);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (load_head(l) - t->pos < n && !leader_is_gone(t)) {
      if (!between)
        futex_wait(&l->consumer_waits, 1, step);
      else if (sleep_at_rest(t, &l->consumer_waits, 1, step))
        continue;
    }
    l->consumer_waits.store(0);
    if (t->kicked && t->regs == nullptr) return Wait::kReady;
    uint64_t head = load_head(l);
    if (head != last_head || l->activity.load() == static_cast<uint32_t>(Activity::kEventCall)) {
      last_head = head;
      patience.reset();
    } else if (limit && leader_hangs(t, patience, step, limit)) {
      return Wait::kLeaderGone;
    }
  }
}

}  // namespace

Wait lane_wait(Thread* t, uint64_t n) { return wait_for_bytes(t, n, nullptr, nullptr); }

Wait lane_wait_or_call(Thread* t, uint64_t n, bool& in_call) {
  return wait_for_bytes(t, n, leader_in_call, &in_call);
}

Wait lane_wait_or_end(Thread* t, uint64_t n, bool& end) {
  return wait_for_bytes(t, n, has_not_asked, &end);
}

bool lane_more(Thread* t, uint64_t n) {
  constexpr int64_t kStepMs = 2, kMostInCall = 2,
                    kMost = 200;  // (a call that does not wait is soon over)
  Lane* l = t->lane;
  Patience patience;
  for (int spin = 0, spins = control()->settings.cpus > 1 ? kFollowerSpins : 0;; spin++) {
    const uint64_t head = t->limit = load_head(l);
    if (head - t->pos >= n) return true;
    // (With threads the leader's may wait for another one,
    // and the follower's hold what another one needs.)
    if (t->replays || t->proc->multi_threaded || follower_must_end(t) || leader_is_gone(t))
      return false;
    if (spin < spins) {
      pause();
      continue;
    }
    patience.begin();
    l->consumer_waits.store(1);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (load_head(l) == head) futex_wait(&l->consumer_waits, 1, kStepMs);
    l->consumer_waits.store(0);
    const int64_t most = begins_call(l, head) ? kMostInCall : kMost;
    if (patience.waited(kStepMs) >= most && load_head(l) == head) return false;
  }
}

void lane_peek(Thread* t, uint64_t offset, void* to, uint64_t n) {
  if (t->replays)
    read_log(t, t->pos + offset, to, n);
  else
    read_ring(t->lane_index, t->pos + offset, to, n);
}

bool lane_get(Thread* t, void* to, uint64_t n) {
  auto* out = static_cast<uint8_t*>(to);
  while (n) {
    uint64_t ready = t->limit - t->pos;
    if (ready == 0) {
      lane_release(t);
      if (lane_wait(t, 1) != Wait::kReady) return false;
      continue;
    }
    uint64_t part = n < ready ? n : ready;
    if (out) {
      lane_peek(t, 0, out, part);
      out += part;
    }
    t->pos += part;
    n -= part;
  }
  return true;
}

bool lane_skip(Thread* t, uint64_t n) { return lane_get(t, nullptr, n); }

void lane_release(Thread* t) {
  Lane* l = t->lane;
  // A survivor's thread that comes late: the lane is the recovered version's.
  const Process* p = t->proc->shared;
  if (recovers(p) && p->leader.load() == static_cast<uint32_t>(t->proc->version)) return;
  l->tail.store(t->pos, std::memory_order_release);
  if (l->producer_waits.load(std::memory_order_relaxed) != stream::kWaitsForTail) return;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const uint64_t head = load_head(l);
  if (head != t->pos && !may_go_on(p, l, head, t->pos)) return;
  if (l->producer_waits.exchange(0)) futex_wake(&l->producer_waits, 1);
}

}  // namespace mx::agent
