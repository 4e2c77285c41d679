#include "shim/agent/rest.h"

#include "shim/agent/call.h"
#include "shim/agent/checkpoint.h"
#include "shim/agent/lane.h"
#include "shim/agent/threads.h"

extern "C" {
long mx_rest(mx::agent::Resting*) __attribute__((returns_twice));
long mx_blocking(long nr, const uint64_t args[6]);
}

namespace mx::agent {

namespace {

constexpr int kRounds = 40;    // of a millisecond: the program's threads wait meanwhile
constexpr int kKickAfter = 1;  // a thread that computes, or sleeps in a call of its own

Word& look_up(Thread* t) { return t->proc->shared->look_up[static_cast<int>(t->proc->version)]; }

bool has_company(const Thread* t) { return t->proc->threads.load(std::memory_order_relaxed) > 1; }

bool must_stand_still(Thread* t) {
  return (look_up(t).load() & stream::kStandStill) && has_company(t);
}

// Back to work, when nobody makes a copy. No copy takes longer than kMostLooks: then the word was
// written over (docs/failover.md, "Damage").
void leave_rest(Thread* t) {
  constexpr int kLookMs = 100, kMostLooks = 100;
  t->at_rest.store(0);
  Word& word = look_up(t);
  for (int looks = 0; must_stand_still(t) && looks < kMostLooks;) {
    t->at_rest.store(1);
    while (must_stand_still(t) && looks < kMostLooks)
      looks += futex_wait(&word, word.load() | stream::kStandStill, kLookMs) == kEtimedout;
    t->at_rest.store(0);
  }
}

}  // namespace

bool others_rest(Thread* t, bool kick) {
  int others = 0, resting = 0;
  each_thread(t->proc, [&](Thread& o) {
    if (&o == t) return;
    others++;
    if (o.at_rest.load())
      resting++;
    else if (kick)
      sys(__NR_tgkill, t->proc->real_pid, o.tid, 31);
  });
  return others == resting && others + 1 == t->proc->threads.load();
}

// The functions that call mx_rest() are the ones that sleep: they must not have returned when the
// copy is made.

bool sleep_at_rest(Thread* t, Word* word, uint32_t value, int64_t timeout_ms, long* result) {
  if (wanted_at_rest(t) && copied_at_rest(t)) return true;
  if (has_company(t)) {
    if (mx_rest(&t->rest)) return true;
    t->at_rest.store(1);
    long answer = futex_wait(word, value, timeout_ms);
    leave_rest(t);
    if (result) *result = answer;
    return false;
  }
  long answer = futex_wait(word, value, timeout_ms);
  if (result) *result = answer;
  return false;
}

long block_at_rest(Thread* t, long nr, const uint64_t args[6]) {
  if (wanted_at_rest(t) && copied_at_rest(t)) return kFollowsNow;
  if (!has_company(t)) return mx_blocking(nr, args);
  if (mx_rest(&t->rest)) return kFollowsNow;
  t->at_rest.store(1);
  long answer = mx_blocking(nr, args);
  leave_rest(t);
  return answer;
}

void stand_still(Thread* t) {
  if (!has_company(t)) return;  // nobody is there who makes a copy: the word was written over
  if (mx_rest(&t->rest)) return;
  leave_rest(t);
}

bool stop_others(Thread* t) {
  if (!has_company(t)) return true;
  look_up(t).fetch_or(stream::kStandStill);
  Word never{0};
  for (int round = 0; round < kRounds; round++) {
    if (others_rest(t, round >= kKickAfter)) return true;
    if (round == 0)
      sys(__NR_sched_yield);
    else
      futex_wait(&never, 0, 1);
  }
  release_others(t);
  return false;
}

void release_others(Thread* t) {
  Word& word = look_up(t);
  if (!(word.fetch_and(~stream::kStandStill) & stream::kStandStill)) return;
  futex_wake(&word, 1 << 30);
}

}  // namespace mx::agent
