#include "shim/agent/pace.h"

#include "shim/agent/checkpoint.h"
#include "shim/agent/kernel.h"
#include "shim/agent/pair.h"
#include "shim/agent/report.h"

namespace mx::agent {

namespace {
constexpr uint32_t kOther = 0, kBatch = 3, kIdle = 5;  // SCHED_*
constexpr uint64_t kSlice = 100'000;  // nanoseconds; since Linux 6.12, before that without effect
constexpr uint64_t kCalmTicks = 240'000'000;  // ~100 ms at 2.4 GHz
constexpr uint64_t kBusyEvents = 500;         // in that time

// A thread that the user, or the program, has given another policy than the usual one keeps it, and
// its nice value.
bool set_pace(const Thread* t, uint32_t policy, uint64_t slice) {
  SchedAttr a{};
  if (sys(__NR_sched_getattr, 0, &a, sizeof a, 0) != 0) return false;
  const bool by_mx =
      a.policy == kBatch ? !t->proc->shared->own_policy.load() : a.policy == kIdle && t->gives_way;
  if (a.policy != kOther && !by_mx) return false;
  a.size = sizeof a;
  a.policy = policy;
  a.runtime = slice;
  return sys(__NR_sched_setattr, 0, &a, 0) == 0;
}

void ask_monitor(Thread* t, int32_t pid, uint32_t policy, uint64_t slice) {
  Message* m = new_message(t, MessageKind::kPace);
  if (!m) return;
  m->number[0] = pid;
  m->number[1] = policy;
  m->number[2] = static_cast<int64_t>(slice);
  send(m);
}
}  // namespace

void give_way_if_busy(Thread* t) {
  const stream::Settings& s = control()->settings;
  if (!s.may_give_way || s.full_lockstep || t->role != Role::kFollower) return;
  Process* p = t->proc->shared;
  if (t->gives_way && p->gives_way.load(std::memory_order_relaxed)) return;
  const uint64_t now = tsc();
  if (t->looked_tsc == 0) t->looked_tsc = now;
  const uint64_t since = p->paced_tsc.load(std::memory_order_relaxed);
  if (now - (since > t->looked_tsc ? since : t->looked_tsc) < kCalmTicks) return;
  const bool busy = t->events - t->looked_events >= kBusyEvents;
  t->looked_tsc = now;
  t->looked_events = t->events;
  if (!busy || recovers(p) || !set_pace(t, kIdle, 0)) return;
  t->gives_way = 1;
  p->gives_way.store(1);
}

void want_pace(Thread* t) {
  Process* p = t->proc->shared;
  if (!p->gives_way.load(std::memory_order_relaxed) || !p->gives_way.exchange(0)) return;
  p->paced_tsc.store(tsc());
  ask_monitor(t, twin_pid(t), kBatch, kSlice);
}

namespace {
void pace_or_ask(Thread* t, uint32_t policy, uint64_t slice) {
  if (!set_pace(t, policy, slice) && t->gives_way) ask_monitor(t, t->proc->real_pid, policy, slice);
  t->gives_way = 0;
}
}  // namespace

void give_way(Thread* t) { pace_or_ask(t, kBatch, kSlice); }
void run_as_usual(Thread* t) { pace_or_ask(t, kOther, 0); }

void all_run_as_usual(Thread* t) {
  if (t->proc->shared->gives_way.exchange(0)) ask_monitor(t, t->proc->real_pid, kOther, 0);
}

long run_set_policy(Call& c) {
  constexpr int kLongestMs = 1000;
  if (c.t->gives_way) {
    run_as_usual(c.t);
    Word never{0};
    for (int ms = 0; ms < kLongestMs && sys(__NR_sched_getscheduler, 0) == kIdle; ms++)
      futex_wait(&never, 0, 1);
  }
  const long ret = run_both(c);
  if (ret == 0) c.t->proc->shared->own_policy.store(1);
  return ret;
}

}  // namespace mx::agent
