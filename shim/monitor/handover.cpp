#include "shim/monitor/handover.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

#include "shim/monitor/clock.h"
#include "shim/monitor/events.h"
#include "shim/monitor/report.h"

namespace mx::monitor {

using namespace stream;

namespace {

// Seconds. A thread that is kicked again while it takes the last kick stacks one upon the other,
// until its stack is full.
constexpr double kKickInterval = 0.002;

uint32_t word(HandoverState s) { return static_cast<uint32_t>(s); }
uint32_t word(Version v) { return static_cast<uint32_t>(v); }

bool is(const Process& p, PairState s) { return p.state.load() == static_cast<uint32_t>(s); }

}  // namespace

const Process* Handover::parent_of(const Process& p) const {
  for (const Process& q : processes_taken(arena_.control()))
    if (q.vpid == p.vppid && !is(q, PairState::kFree)) return &q;
  return nullptr;
}

// Whether this change of leader is for `p`: with a parent, for the processes below it (all of them
// are below the root).
bool Handover::concerns(const Process& p) const {
  constexpr int kDeepest = 64;
  if (!parent_) return true;
  if (&p == parent_) return false;
  if (parent_->is_root) return true;
  const Process* above = parent_of(p);
  for (int depth = 0; above && above != parent_ && depth < kDeepest; depth++)
    above = parent_of(*above);
  return above == parent_;
}

// `to`'s process of this pair: its parent has made it, or is about to, and it has not said so yet.
bool Handover::is_to_come(const Process& p) const {
  const int to = static_cast<int>(to_);
  const Process* parent = fetched(p.real_pid[to]) ? nullptr : parent_of(p);
  return parent && parent->alive[to].load();
}

// A pair that `to` does not lead yet, but could.
bool Handover::waits(const Process& p) const {
  const int to = static_cast<int>(to_);
  if (!concerns(p)) return false;
  if (p.leader.load() == word(to_)) return false;
  if (is(p, PairState::kFailover)) return p.alive[to].load();
  return is(p, PairState::kPaired) && (p.alive[to].load() || is_to_come(p)) &&
         p.alive[1 - to].load();
}

// The follower leads, and its message is on the way:
// until it has come, nothing is known of the change.
bool Handover::untold(const Process& p) const {
  return concerns(p) && p.handover.load() == word(HandoverState::kCommitted) &&
         p.leader.load() == word(to_) && p.alive[static_cast<int>(to_)].load() &&
         !told_.contains(&p);
}

std::string Handover::begin(Version to, double limit_s) {
  if (active_) return std::string("a change of leader to ") + name(to_) + " is going on already";
  to_ = to;
  parent_ = nullptr;
  bool any = false, leads = false;
  for (Process& p : processes_taken(arena_.control())) {
    if (is(p, PairState::kFree) || is(p, PairState::kEnded)) continue;
    any |= waits(p);
    leads |= p.leader.load() == word(to) && p.alive[static_cast<int>(to)].load();
  }
  if (!any)
    return std::string(name(to)) +
           (leads ? " leads already" : " does not follow: it has been dropped or has ended");
  start(limit_s);
  return {};
}

void Handover::begin_below(const Process& parent, Version to, double limit_s) {
  if (active_)
    return;  // for the processes above these, or by the operator: to the only version that is left
  to_ = to;
  parent_ = &parent;
  start(limit_s);
}

void Handover::start(double limit_s) {
  active_ = true;
  next_kick_ = 0;
  deadline_ = seconds() + limit_s;
  descriptors_ = ticks_ = 0;
  changed_ = 0;
  step();
}

void Handover::ask(Process& p) {
  uint32_t none = word(HandoverState::kNone);
  uint32_t not_failing = kNotFailing;
  if (p.failing.load() || !p.handover.compare_exchange_strong(none, word(HandoverState::kAsked)))
    return;
  told_.erase(&p);
  if (p.failing.compare_exchange_strong(not_failing, kIsFailing)) return;
  p.handover.store(word(HandoverState::kNone));  // it has just begun to, or to execute a program
}

// The first thread that looks up gathers the others.
void Handover::kick(const Process& p) {
  if (!p.husk.load()) kick_threads(arena_.control(), p, 1 - static_cast<int>(to_));
}

// False if it is too late: the follower takes over.
bool Handover::cancel(Process& p) {
  uint32_t asked = word(HandoverState::kAsked);
  if (!p.handover.compare_exchange_strong(asked, word(HandoverState::kCancelled)))
    return p.handover.load() != word(HandoverState::kCommitted);
  p.failing.store(0);
  futex_wake(p.handover);
  return true;
}

Handover::State Handover::step() {
  bool running = false;
  const double now = seconds();
  const bool late = now > deadline_, kicks = now >= next_kick_;
  if (kicks) next_kick_ = now + kKickInterval;
  bool gave_up = false;
  for (Process& p : processes_taken(arena_.control())) {
    if (untold(p)) running |= !late;
    if (!waits(p)) continue;
    if (late && is(p, PairState::kPaired) && cancel(p)) {
      gave_up = true;
      continue;
    }
    running = true;
    if (late || !is(p, PairState::kPaired) || !p.alive[static_cast<int>(to_)].load()) continue;
    ask(p);
    if (kicks) kick(p);
  }
  if (running) return State::kRunning;
  active_ = false;
  return gave_up ? State::kGivenUp : State::kDone;
}

bool Handover::took_over(uint32_t process, int64_t descriptors, int64_t ticks) {
  Process& p = arena_.control().processes[process];
  if (p.handover.load() != word(HandoverState::kCommitted)) return false;
  told_.insert(&p);
  // With a follower that comes back there may be another change; the former leader does not look at
  // this any more.
  if (p.recovery.stage.load() != 0) p.handover.store(word(HandoverState::kNone));
  descriptors_ += descriptors;
  if (ticks > ticks_) ticks_ = ticks;
  changed_++;
  return planned();
}

}  // namespace mx::monitor
