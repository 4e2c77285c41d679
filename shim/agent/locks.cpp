#include "shim/agent/locks.h"

#include "shim/agent/align.h"
#include "shim/agent/baton.h"
#include "shim/agent/checkpoint.h"
#include "shim/agent/code_map.h"
#include "shim/agent/failover.h"
#include "shim/agent/hooked_call.h"
#include "shim/agent/lane.h"
#include "shim/agent/order.h"
#include "shim/agent/random.h"
#include "shim/agent/rejoin.h"
#include "shim/agent/shared_locks.h"
#include "shim/agent/signals.h"
#include "shim/agent/streams.h"
#include "shim/agent/waits.h"
#include "shim/sites/lock_entries.h"

extern "C" char mx_lock_step_end[];

namespace mx::agent {

namespace {

using sites::is_condition;
using sites::LockKind;

constexpr long kBusy = 16, kAgain = 11, kTimedOut = 110;

int* errno_location() {
  return reinterpret_cast<int* (*)()>(lock_function_address[sites::kErrnoLocation])();
}

bool is_lock(LockKind kind) {
  return kind == LockKind::kLock || kind == LockKind::kTry || kind == LockKind::kSemaphore;
}

// Results are ints; the upper half of the register is anything.
bool failed(LockKind kind, long result) {
  auto r = static_cast<int32_t>(result);
  if (kind == LockKind::kSemaphore) return r == -1;
  return kind == LockKind::kTry && (r == kBusy || r == kAgain || r == kTimedOut);
}

// --- on the program's stack, as a part of the program ------------------------------------------

long follow(Thread* t, const HookedCall& c);
long follow_condition(Thread* t, const HookedCall& c);

// A thread of python that has waited 5 ms for the interpreter's lock asks its holder, through
// memory, to give way between two instructions: which two the follower cannot know. A holder that
// reads, writes or waits gives way by itself. So the thread is only let out after a longer time.
long wait_longer(const HookedCall& c) {
  constexpr int64_t kLonger = 95'000'000, kSecond = 1'000'000'000;
  const int clock = c.function == sites::kConditionClockWait ? 1 : 0;
  KernelTimespec limit = *reinterpret_cast<const KernelTimespec*>(c.args[2 + clock]);
  limit.nsec += kLonger;
  if (limit.nsec >= kSecond) {
    limit.nsec -= kSecond;
    limit.sec++;
  }
  HookedCall again = c;
  again.args[2 + clock] = reinterpret_cast<uint64_t>(&limit);
  return again.run();
}

long lead(Thread* t, const HookedCall& c) {
  t->condition = c.kind == LockKind::kCondition ? c.args[0] : 0;
  if (is_lock(c.kind) && others_come_first(t, c.args[0]))
    mx_lock_step(kOthersFirst, static_cast<long>(c.args[0]), 0, 0);
  long ret = c.run();
  if (ret == kTimedOut && c.kind == LockKind::kCondition && c.caller == CodeKind::kPython &&
      t->role == Role::kLeader)
    ret = wait_longer(c);
  t->condition = 0;
  // In a copy of the process (rest.h), which follows: the lock may have come out of order.
  if (t->role == Role::kFollower && c.kind == LockKind::kCondition) return follow_condition(t, c);
  const uint32_t give_back = c.kind == LockKind::kSemaphore    ? sites::kSemaphorePost
                             : c.function == sites::kMutexLock ? sites::kMutexUnlock
                                                               : sites::kLockFunctionCount;
  if (t->role == Role::kFollower && ret == 0 && give_back < sites::kLockFunctionCount &&
      lock_function_address[give_back]) {
    call_function(give_back, c.args[0]);
    return follow(t, c);
  }
  auto more = static_cast<long>(c.args[0]);
  if (failed(c.kind, ret))
    more = c.kind == LockKind::kSemaphore && lock_function_address[sites::kErrnoLocation]
               ? *errno_location()
               : 0;
  mx_lock_step(kAcquired, c.function, ret, more);
  return ret;
}

bool has_limit(uint32_t condition_function) { return condition_function != sites::kConditionWait; }

long follow_condition(Thread* t, const HookedCall& c) {
  if (!lock_function_address[sites::kMutexLock] || !lock_function_address[sites::kMutexUnlock])
    return c.run();
  call_function(sites::kMutexUnlock, c.args[1]);
  const long plan = mx_lock_step(kAwait, c.function, 0, 0);
  long ret = call_function(sites::kMutexLock, c.args[1]);
  if (plan == kTake) {
    long leaders = static_cast<long>(t->lock_event.result);
    mx_lock_step(kDone, 0, 0, 0);
    return ret || (leaders == kTimedOut && !has_limit(c.function)) ? ret : leaders;
  }
  if (t->role != Role::kFollower) {  // took over: a wake-up for nothing, which programs expect
    mx_lock_step(kAcquired, c.function, ret, 0);
    return ret;
  }
  // The leader has gone on without a wait: what this thread is to see in memory may be on its way.
  // A wake-up for nothing …
  if (plan == kLookAgain) return ret;
  // … or it has left its wait another way (it was cancelled), or goes another way altogether
  t->waits_elsewhere.store(1);
  ret = c.run();
  t->waits_elsewhere.store(0);
  return ret;
}

long follow(Thread* t, const HookedCall& c) {
  if (c.kind == LockKind::kCondition) return follow_condition(t, c);
  long ret = 0;
  if (c.kind == LockKind::kBarrier) ret = c.run();  // all have to come before one may go on
  if (mx_lock_step(kAwait, c.function, 0, 0) != kTake) {
    if (c.kind == LockKind::kBarrier) return ret;
    return t->role == Role::kLeader ? lead(t, c) : c.run();
  }
  long leaders = static_cast<long>(t->lock_event.result);
  auto error = static_cast<int>(t->lock_event.digest);
  if (c.kind == LockKind::kBarrier || failed(c.kind, leaders)) {
    mx_lock_step(kDone, 0, 0, 0);
    if (c.kind == LockKind::kSemaphore && lock_function_address[sites::kErrnoLocation])
      *errno_location() = error;
    return leaders;
  }
  for (long tries = 1;; tries++) {
    ret = c.run();
    if (!failed(c.kind, ret) || t->role != Role::kFollower) break;
    if (mx_lock_step(kYield, tries, 0, 0) != kTake) break;
  }
  mx_lock_step(kDone, 0, 0, 0);
  return ret;
}

// --- on the agent's stack ----------------------------------------------------------------------

void publish_lock(Thread* t, uint16_t function, long result, uint64_t error_or_address) {
  if (t->role != Role::kLeader || follower_gone(t)) return;
  EventHeader h{0, function,        EventKind::kLock, 0, static_cast<int32_t>(result),
                0, error_or_address};
  if (!lane_begin(t, sizeof h)) return;
  if (!failed(sites::kLockFunctions[function].kind, result))
    h.digest = shared_ticket(t, error_or_address);
  take_order(t, h);
  if (lane_put(t, &h, sizeof h)) lane_commit(t);
}

// The others went on without this thread, see order.cpp.
bool given_up(Thread* t, const EventHeader& h) {
  return h.kind == EventKind::kLock && (h.flags & stream::kOrdered) &&
         h.order < t->proc->shared->turn.load();
}

// Waits with and without a time limit are one to the order: which one it is may depend on what a
// thread read without a lock.
bool alike(uint32_t leaders, uint32_t own) {
  return leaders == own || (is_condition(leaders) && is_condition(own));
}

// Of an event that stands before that of the lock. A wait for a condition is one: what it was to
// wait for had come already.
bool may_lack(Thread* t, const EventHeader& h, uint32_t function) {
  if (h.kind == EventKind::kLock)
    return h.nr == kBrokeIn || h.nr == kWoken || (is_condition(h.nr) && !is_condition(function));
  return h.kind == EventKind::kQuery || h.kind == EventKind::kPrivateOpen || is_empty_wait(h) ||
         is_leaders_wake(t, 0, h);
}

}  // namespace

// What the follower may lack (queries, waits for nothing, …) and what stands before it is behind
// this thread.
Plan await_lock(Thread* t, Regs* r, uint16_t function) {
  EventHeader h;
  while (t->role == Role::kFollower) {
    if (!next_event(t, h)) break;
    if (h.kind == EventKind::kSignal) {
      follow_signal(t, r, SignalPoint::kCallStart);
      break;
    }
    // The leader was ended while it waited: here the lock may be free, and processes share it.
    if (h.kind == EventKind::kTermSignal) follow_term_signal(t, h);
    // The leader failed before: what its other threads
    // have done comes first, then this version goes on.
    if (h.kind == EventKind::kFault) {
      await_turn(t, h);
      if (follower_must_end(t)) end_follower(t);
      leader_failed(t, h);
      break;
    }
    if (given_up(t, h)) {
      skip_event(t, h);
      continue;
    }
    if (h.kind == EventKind::kLock && alike(h.nr, function)) {
      await_turn(t, h);
      await_shared_turn(t, h);
      if (follower_must_end(t)) end_follower(t);
      lane_skip(t, sizeof h);
      t->lock_event = h;
      t->lock_taken = 1;
      return kTake;
    }
    if (!may_lack(t, h, function)) break;
    skip_event(t, h);
  }
  return kAlone;
}

namespace {

// Who holds the lock that the leader's thread has got may have ended with the leader; or it waits
// for its turn, which was not so in the leader (python's threads after 100 ms of computing, see
// wait_longer): then the others go on, as in await_turn. If that moves nobody, this thread has
// another lock in its hands for which they wait: python joins a pool's threads in the order of
// their addresses, and tries each one's lock with the interpreter's. It then fails to get it, as it
// could have.
Plan yield_to_holder(Thread* t, long tries) {
  constexpr long kShort = 200, kPasses = kShort + 100, kMost = kShort + 500;
  constexpr uint32_t kStillPasses = 10, kStillMost = 50;
  constexpr int64_t kLookMs = 1;
  if (follower_must_end(t)) end_follower(t);
  if (tries > kMost && leader_is_gone(t)) return kAlone;
  if (tries < kShort) {
    t->looks_still = 0;
    sys(__NR_sched_yield);
    return kTake;
  }
  // (What processes share is given from process to process, see shared_locks.)
  const bool still = !t->lock_event.digest && all_stand_still(t);
  t->looks_still = still ? t->looks_still + 1 : 0;
  if (tries == kPasses || t->looks_still == kStillPasses) pass_turn(t, t->lock_event);
  if (t->looks_still > kStillMost) return kAlone;
  futex_wait(&t->lane->in_use, t->lane->in_use.load(), kLookMs);
  return kTake;
}

}  // namespace

void pass_lock(Thread* t) {
  if (!t->lock_taken) return;
  t->lock_taken = 0;
  if (t->role == Role::kFollower) {
    finish_event(t, t->lock_event);
  } else {
    pass_shared_turn(t, t->lock_event);
    pass_turn(t, t->lock_event);
  }
}

bool leaves_condition(Thread* t, uint64_t word, uint64_t op) {
  // glibc waits at a word of the condition (before 2.25: at the second), musl at one of its own
  // frame. What else waits in there is for the mutex, or for the condition's own lock: for that
  // glibc ends the program when it is told of a time limit.
  constexpr uint64_t kConditionSize = 48, kFrame = 4096;
  const uint64_t command = op & kFutexCommand;
  const bool at_condition =
      (command == kFutexWaitBitset && word - t->condition < kConditionSize) ||
      (command == kFutexWait && (word == t->condition + 4 || t->lock_sp - word < kFrame));
  if (!t->condition || t->role != Role::kFollower || !at_condition) return false;
  t->condition = 0;
  return true;
}

bool is_lock_step(const Regs* r) { return r->rip == reinterpret_cast<uint64_t>(mx_lock_step_end); }

void lock_step(Thread* t, Regs* r) {
  t->regs = r;
  t->regs_redirected = 0;
  park_if_failing(t);
  if (must_look_up(t)) looked_up(t, false);
  switch (static_cast<HookStep>(r->nr)) {
    case kAcquired:
      if (t->role == Role::kFollower) {  // in a copy: the event of the lock that is held already
        if (await_lock(t, r, static_cast<uint16_t>(r->rdi)) == kTake) pass_lock(t);
        break;
      }
      publish_lock(t, static_cast<uint16_t>(r->rdi), static_cast<long>(r->rsi), r->rdx);
      break;
    case kOthersFirst:
      await_others(t, r->rdi);
      break;
    case kAwait: {
      t->waits_for_lock = 1;
      Plan plan = await_lock(t, r, static_cast<uint16_t>(r->rdi));
      if (plan == kAlone && t->role == Role::kFollower &&
          is_condition(static_cast<uint32_t>(r->rdi)) && worth_another_look(t, true))
        plan = kLookAgain;
      t->waits_for_lock = 0;
      if (!t->regs_redirected) r->rax = plan;
      break;
    }
    case kDone:
      pass_lock(t);
      break;
    case kMade:
      publish_random(t, r);
      break;
    case kTakeMade:
      take_random(t, r);
      break;
    case kYield:
      r->rax = yield_to_holder(t, static_cast<long>(r->rdi));
      break;
  }
  if (t->replays) at_call_end(t);
  t->regs = nullptr;
  if (t->pending && t->role != Role::kFollower) arm_deferred(t);
}

namespace {
// In a process with one thread: of what other processes wait for, too.
bool keeps_order(const Thread* t, LockKind kind, uint64_t address) {
  const bool threads = t->proc->multi_threaded && !is_serial(t);
  return threads || (is_lock(kind) && in_shared_memory(address));
}
}  // namespace

}  // namespace mx::agent

using namespace mx::agent;

// Every call of a hooked function comes here, on the program's stack.
extern "C" long mx_locked_call(uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                               HookedFunction original, uint32_t function) {
  Thread* t = this_thread();
  const LockKind kind = mx::sites::kLockFunctions[function].kind;
  if (is_random(kind))
    return random_call(t, {{a, b, c, d}, original, function, kind, CodeKind::kOther});
  auto sp = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
  bool inside = t->lock_sp && sp < t->lock_sp && t->lock_sp - sp < 64 * 1024;
  if (inside || !keeps_order(t, kind, a)) return original(a, b, c, d);
  if (t->role == Role::kSolo) {
    if (is_lock(kind) && others_come_first(t, a)) await_others(t, a);
    return original(a, b, c, d);
  }
  // What an allocator's locks decide are addresses, and its own threads go by the clock and by what
  // they read without a lock: keeping their order would hold up the program's threads for nothing.
  CodeKind caller = code_kind(reinterpret_cast<uint64_t>(__builtin_return_address(0)));
  if (caller == CodeKind::kAllocator) {
    if (kind == LockKind::kCondition) t->of_allocator = 1;
    return original(a, b, c, d);
  }
  HookedCall call{{a, b, c, d}, original, function, kind, caller};
  t->lock_sp = sp;
  long ret = kind == LockKind::kStream  ? stream_call(t, call)
             : t->role == Role::kLeader ? lead(t, call)
                                        : follow(t, call);
  t->lock_sp = 0;
  return ret;
}
