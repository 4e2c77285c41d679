#include "shim/agent/baton.h"

#include "shim/agent/align.h"
#include "shim/agent/failover.h"
#include "shim/agent/lane.h"
#include "shim/agent/locks.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/rest.h"
#include "shim/agent/signals.h"

namespace mx::agent {

namespace {

constexpr int kSpins = 100;
constexpr int64_t kLookMs = 5;
// For how long a thread may hold up the others. One that computes should get to its end, for where
// it is broken into is chance; one that waits for another one's write to memory would never. A
// program that has such threads is known by it.
constexpr int64_t kLongestMs = 1000, kLongestOftenMs = 50;
constexpr uint32_t kOften = 8;
constexpr uint64_t kTicksPerMs = 2'500'000;  // more or less

uint32_t own_name(const Thread* t) { return t->lane_index + 1; }

bool is_failing(const Thread* t) {
  return t->proc->shared->failing.load(std::memory_order_relaxed) == stream::kIsFailing;
}

int64_t patience_ms(const LocalProcess* p) {
  return p->baton_broken.load() < kOften ? kLongestMs : kLongestOftenMs;
}

// The holder does not compute: others would have to wait for the follower, too.
bool waits_for_follower(uint32_t holder) {
  if (!holder || holder > stream::kMaxLanes) return false;
  const Lane& l = control()->lanes[holder - 1];
  return l.in_use.load() && l.producer_waits.load();
}

// Takes it from a thread that computes. (That one has to wait for it at its next call.)
void break_in(Thread* t, int64_t after_ms) {
  t->proc->baton_broken.fetch_add(1);
  t->proc->baton.store(own_name(t));
  publish_plain(t, EventKind::kLock, 0, kBrokeIn, after_ms, nullptr, 0);
}

void let_go(Thread* t) {
  LocalProcess* p = t->proc;
  uint32_t own = own_name(t);
  p->baton_left.store(own);
  if (p->baton.compare_exchange_strong(own, 0) && p->baton_waiters.load()) futex_wake(&p->baton, 1);
}

// Who had it last lets those that wait already have it first: they are on their way.
void stand_back(Thread* t) {
  constexpr int64_t kMostMs = 1;
  LocalProcess* p = t->proc;
  const uint32_t taken = p->baton_taken.load();
  if (!p->baton_waiters.load() || p->baton_left.load() != own_name(t) || p->baton.load()) return;
  p->baton_standing.fetch_add(1);
  futex_wait(&p->baton_taken, taken, kMostMs);
  p->baton_standing.fetch_sub(1);
}

}  // namespace

bool is_serial(const Thread* t) {
  return control()->settings.serial_threads && t->proc->multi_threaded;
}

void begin_baton(Thread* t) {
  t->proc->baton.store(own_name(t));
  t->proc->baton_waiters.store(0);
  t->passed_baton = 0;
  t->owed_turn = 0;
}

void pass_baton(Thread* t) {
  if (t->passed_baton || !is_serial(t)) return;
  t->passed_baton = 1;
  let_go(t);
  if (t->owed_turn) pass_turns_before(t->proc->shared, t->owed_turn);
  t->owed_turn = 0;
}

bool take_baton(Thread* t, bool rests) {
  if (!t->passed_baton || t->role != Role::kLeader) return false;
  LocalProcess* p = t->proc;
  stand_back(t);
  uint32_t seen = 0;
  uint64_t since = tsc();
  for (int spin = 0; !is_failing(t) && !follower_gone(t); spin++) {
    uint32_t holder = 0;
    if (p->baton.compare_exchange_strong(holder, own_name(t))) break;
    if (spin < kSpins) {
      pause();
      continue;
    }
    lane_flush(t);  // another thread may wait for the follower, which waits for this event
    const uint32_t taken = p->baton_taken.load();
    if (taken != seen || waits_for_follower(holder)) since = tsc();
    seen = taken;
    if (tsc() - since > static_cast<uint64_t>(patience_ms(p)) * kTicksPerMs) {
      break_in(t, patience_ms(p));
      break;
    }
    p->baton_waiters.fetch_add(1);
    const bool copied = rests ? sleep_at_rest(t, &p->baton, holder, kLookMs)
                              : (futex_wait(&p->baton, holder, kLookMs), false);
    p->baton_waiters.fetch_sub(1);
    if (copied) return true;
  }
  p->baton_taken.fetch_add(1);
  if (p->baton_standing.load()) futex_wake(&p->baton_taken, 1);
  t->passed_baton = 0;
  t->baton_since = tsc();
  return false;
}

namespace {
void publish_woken(Thread* t, long result) {
  const uint8_t flags = announce_signals(t) ? stream::kSignalFollows : 0;
  publish_plain(t, EventKind::kLock, flags, kWoken, result, nullptr, 0);
}

// As a leader's thread that is woken.
void wake_up(Thread* t, long result) {
  take_baton(t, false);
  publish_woken(t, result);
}

// A thread that takes over meanwhile runs now, for a follower that comes back.
void await_woken(Thread* t, Regs* r) {
  if (await_lock(t, r, kWoken) == kTake)
    pass_lock(t);
  else if (t->role == Role::kLeader)
    wake_up(t, 0);
}
}  // namespace

void run_again(Call& c) {
  Thread* t = c.t;
  if (!is_serial(t) || t->role != Role::kLeader) return;
  if (take_baton(t, true))
    await_baton(c);
  else
    publish_woken(t, 0);
}

void await_baton(Call& c) {
  Thread* t = c.t;
  if (!is_serial(t)) return;
  t->localises.store(0);  // if its leader is gone this waits for the thread that takes over
  await_woken(t, c.r);
  t->localises.store(1);
}

bool share_baton(Thread* t) {
  constexpr uint64_t kSlice = 500'000;  // ticks, some 0.2 ms
  const LocalProcess* p = t->proc;
  if (t->role != Role::kLeader || !is_serial(t)) return false;
  if (p->baton_waiters.load(std::memory_order_relaxed) && tsc() - t->baton_since > kSlice)
    pass_baton(t);
  if (p->baton.load() != own_name(t)) t->passed_baton = 1;  // somebody broke in
  return take_baton(t, true);
}

bool has_room_to_write(const Call& c) {
  constexpr uint64_t kSurely = 4096;  // PIPE_BUF; a socket has more if it has any
  constexpr int16_t kPollOut = 4;
  struct {
    int fd;
    int16_t events, revents;
  } poll{static_cast<int>(c.args[0]), kPollOut, 0};
  if (c.nr != __NR_write || c.args[2] > kSurely) return false;
  return sys(__NR_poll, &poll, 1, 0) == 1 && poll.revents == kPollOut;
}

void owe_turn(Thread* t, uint64_t order) {
  t->owed_turn = order + 1;
  t->passed_baton = 0;
  t->proc->baton.store(own_name(t));
}

bool turn_is_owed(const Thread* t) {
  return control()->settings.serial_threads && t->proc->baton.load() != 0 &&
         t->proc->baton.load() != own_name(t);
}

namespace {

// Of the kinds that change no memory: what came of it is all that the follower needs.
bool waits_only(const Call& c) {
  const uint64_t command = c.args[1] & kFutexCommand;
  return c.nr != __NR_futex || command == kFutexWait || command == kFutexWaitBitset;
}

// False: there is no event for it, or this version leads now.
bool follow_wait(Call& c) {
  Thread* t = c.t;
  if (await_lock(t, c.r, kWoken) != kTake) return false;
  c.ret = static_cast<long>(t->lock_event.result);
  pass_lock(t);
  return true;
}

long let_others_run(Call& c) {
  Thread* t = c.t;
  do {
    if (t->role == Role::kFollower) {
      if (follow_wait(c)) return c.ret;
      if (t->regs_redirected) return static_cast<long>(c.r->rax);
      if (t->role == Role::kFollower) return run_local(c);
      wake_up(t, 0);
      return 0;  // its leader's thread may have been woken: a wake-up for nothing
    }
    c.may_rest = true;
    pass_baton(t);
    c.ret = execute(c);
    if (c.ret != kFollowsNow && take_baton(t, true)) c.ret = kFollowsNow;
  } while (c.ret == kFollowsNow);
  publish_woken(t, c.ret);
  return c.ret;
}

}  // namespace

bool waits_in_turn(const Call& c) {
  if (c.nr != __NR_futex && c.nr != __NR_futex_waitv && c.nr != kFutexWaitCall) return false;
  return is_serial(c.t) && may_block(c) && waits_only(c);
}

long run_sched_yield(Call& c) { return is_serial(c.t) ? let_others_run(c) : run_query(c); }

long run_futex(Call& c) { return waits_in_turn(c) ? let_others_run(c) : run_local(c); }

void begin_in_turn(Thread* t, Regs* r) {
  if (!is_serial(t)) return;
  if (t->role == Role::kFollower)
    await_woken(t, r);
  else
    wake_up(t, 0);
}

// The kernel would do so when this thread is gone, at a time that is in no order. From then on the
// program may free the thread's memory: the kernel is to write nothing there any more.
void clear_tid_in_turn(Thread* t) {
  if (!is_serial(t) || !t->clear_tid || t->proc->threads.load() <= 1) return;
  constexpr uint64_t kUnregister = 1;
  const uint64_t list = t->robust_list[0];
  uint64_t first = 0;
  const bool empty =
      list && copy_guarded(&first, reinterpret_cast<void*>(list), 8) && first == list;
  if (list && !empty) return;  // it holds robust mutexes: the kernel has to see to them
  if (list) sys(__NR_set_robust_list, 0, t->robust_list[1]);
  if (t->rseq[0]) sys(__NR_rseq, t->rseq[0], t->rseq[1], kUnregister, t->rseq[3]);
  sys(__NR_set_tid_address, 0);
  auto* word = reinterpret_cast<Word*>(t->clear_tid);
  t->clear_tid = 0;
  if (guarded([&] { word->store(0); })) futex_wake(word, 1 << 30);
}

}  // namespace mx::agent
