#include "shim/monitor/pair_recovery.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/monitor/checkpoints.h"
#include "shim/monitor/events.h"
#include "shim/monitor/own_processes.h"
#include "shim/monitor/proc_stat.h"
#include "shim/monitor/stopped.h"
#include "shim/stream/history.h"

namespace mx::monitor {

using namespace stream;
using nlohmann::ordered_json;
using recovery::Outcome;
using recovery::Reason;

namespace {

constexpr double kLongest = 30;     // seconds that a version may take to come back
constexpr size_t kMost = 200;       // recoveries of one version …
constexpr size_t kMostStrays = 10;  // … among them of one that had gone another way …
constexpr double kWithin = 60;      // … in so many seconds
constexpr int kLookMs = 50;

bool is(const Process& p, RecoveryStage s) {
  return p.recovery.stage.load() == static_cast<uint32_t>(s);
}

bool runs(pid_t pid) {
  const ProcStat s = proc_stat(pid);
  return s.lives() && s.state != 'T' && s.state != 't';
}

// Nobody may touch the lanes while the copy takes its place in them.
void hold(pid_t pid) {
  constexpr int kLooks = 100;
  constexpr useconds_t kLookUs = 200;
  if (pid <= 1 || signal_own(pid, SIGSTOP) != 0) return;
  siginfo_t info{};
  if (waitid(P_PID, static_cast<id_t>(pid), &info, WSTOPPED | WEXITED | WNOWAIT) == 0) return;
  for (int i = 0; i < kLooks && runs(pid); i++) usleep(kLookUs);  // another process's child
}

}  // namespace

// Why it is not tried once more; "": it is.
std::string PairRecovery::too_often(double now, bool strayed) {
  const auto full = [now](std::deque<double>& times, size_t most) {
    while (!times.empty() && times.front() < now - kWithin) times.pop_front();
    times.push_back(now);
    return times.size() > most;
  };
  const auto said = [](const char* what, size_t times) {
    return "it has " + std::string(what) + " " + std::to_string(times) + " times within " +
           std::to_string(static_cast<int>(kWithin)) + " seconds";
  };
  Times& times = times_[static_cast<int>(version_)];
  if (full(times.all, kMost)) return said("failed", kMost);
  if (strayed && full(times.strayed, kMostStrays))
    return said("gone another way than the leader", kMostStrays);
  return "";
}

pid_t PairRecovery::begin(const Failed& f, double now) {
  Process& p = pair();
  version_ = static_cast<Version>(p.recovery.version & 1);
  const int v = static_cast<int>(version_);
  active_ = true;
  copy_ = 0;
  crashed_ = f.pid;
  vpid_ = p.vpid;
  deadline_ = now + kLongest;
  functions_.clear(), left_.clear(), steps_.clear(), remark_.clear(), timeline_.clear();
  stack_.clear();
  Checkpoint& c = p.checkpoint[v];
  mark("heard of");
  if (!f.strayed.empty()) remark_ = "it had gone another way than the leader: " + f.strayed;
  if (f.along) remark_ = "it shares memory with a process that failed, and went back with it";
  const std::string why_not = f.why_not.empty() ? too_often(now, !f.strayed.empty()) : f.why_not;
  if (!why_not.empty()) {
    give_up(why_not);
    return 0;
  }
  records_.begun.insert(f.pid);
  if (f.stands && !p.recovery.led)
    records_.replaced.insert(f.pid);
  else if (f.stands && p.is_root)
    records_.stand_ins.insert(f.pid);
  if (f.stands && !p.recovery.led) hold(f.pid);
  Sleeper& s = current_of(c);
  const pid_t copy = s.pid.load();
  const sched_param zero{};
  if (copy > 1)
    sched_setscheduler(copy, SCHED_OTHER, &zero);  // it is SCHED_BATCH: until it has caught up
  keep_origin();
  if (copy <= 1 || !stream::change(s, SleeperState::kAsleep, SleeperState::kWoken)) {
    if (take_origin()) end_witness(arena_, process_);
    give_up(why_no_checkpoint(c));
    return 0;
  }
  futex_wake(s.state);
  sched_yield();  // it may have been put behind this thread, which has more to do
  end_sleeper(c.sleepers[1 - (c.current.load() & 1)]);  // it failed while it made its next one
  mark("woken");
  copy_ = copy;
  if (f.stands) stack_ = stack_of_crash(f.pid);
  return copy;
}

// The checkpoint has not looked yet.
void PairRecovery::keep_origin() {
  origin_.reset();
  why_no_origin_.clear();
  if (!records_.keeps_origins) return;
  const SavedRegisters r = registers_of_crash();
  if (!r.valid)
    why_no_origin_ = "it did not crash by itself";
  else if (places_.contains(r.rip))
    why_no_origin_ = "it has crashed at this place before, and there was one for that";
  else if (!ask_for_witness(arena_, process_))
    why_no_origin_ = "the one of the crash before was still being written";
  else
    origin_ = replay_origin(arena_, process_);
  if (origin_) places_.insert(r.rip);
}

// Of the thread that crashed, as it told before it stood still.
SavedRegisters PairRecovery::registers_of_crash() const {
  const uint32_t lane = fetched(pair().recovery.lane);
  if (lane == 0 || lane > kMaxLanes) return {};
  return reinterpret_cast<const History*>(
             arena_.at(history_offset(lane - 1, static_cast<int>(version_))))
      ->registers;
}

std::vector<uint64_t> PairRecovery::stack_of_crash(pid_t crashed) const {
  const SavedRegisters r = registers_of_crash();
  if (crashed <= 1 || !r.valid) return {};
  return addresses_of(
      recovery::walk_stack(crashed, {r.rip, r.rsp, r.rbp, r.rbx, r.r12, r.r13, r.r14, r.r15}));
}

int PairRecovery::timeout_ms(double now) const {
  if (!active_) return -1;
  return now > deadline_ ? 0 : kLookMs;
}

// (Its place in the table may have been given to another one.)
bool PairRecovery::ended() const {
  const Process& p = pair();
  const auto state = static_cast<PairState>(p.state.load());
  return p.vpid != vpid_ || state == PairState::kEnded || state == PairState::kFree;
}

bool PairRecovery::step(double now) {
  if (!active_) return false;
  Process& p = pair();
  if (is(p, RecoveryStage::kAtCrash)) {
    mark("at the crash");
    if (!at_crash(now)) return false;
  } else if (is(p, RecoveryStage::kAtDivergence)) {
    mark("over it");
    if (!at_divergence()) return false;
  } else if (is(p, RecoveryStage::kNone)) {
    // The agents have ended it: the copy caught up, or was dropped (whoever did that says why).
    if (p.state.load() != static_cast<uint32_t>(PairState::kSolo) && p.vpid == vpid_) {
      finish();
      return true;
    }
  }
  if (ended())
    failed("the process ended before it had caught up");
  else if (now > deadline_)
    failed("it did not catch up within " + std::to_string(static_cast<int>(kLongest)) + " seconds");
  return false;
}

void PairRecovery::go_on(RecoveryStage from, RecoveryStage to) {
  mark(to == RecoveryStage::kOver ? "code carried in" : "code put back");
  auto expected = static_cast<uint32_t>(from);
  pair().recovery.stage.compare_exchange_strong(expected, static_cast<uint32_t>(to));
  futex_wake(pair().recovery.stage);
}

void PairRecovery::mark(const char* step) {
  if (!timeline_.empty() && timeline_.back().name == step) return;  // it still waits there
  timeline_.push_back({step, static_cast<uint64_t>(microseconds())});
}

void PairRecovery::note(const Outcome& o) {
  steps_.insert(steps_.end(), o.steps.begin(), o.steps.end());
  if (!o.sentence.empty()) remark_ = o.sentence;
}

// False: it waits for the analysis, or was given up.
bool PairRecovery::at_crash(double now) {
  Process& p = pair();
  const pid_t survivor = p.real_pid[1 - static_cast<int>(version_)];
  Outcome o;
  {
    Stopped stopped(copy_);
    if (!stopped.good()) {
      failed("the recovered process cannot be traced");
      return false;
    }
    o = transplants_.apply(version_, copy_, p.recovery.tid, survivor, stopped.threads(), stack_);
    if (o.ok() && !stopped.write_back()) {
      failed("registers could not be written");
      return false;
    }
  }
  if (o.reason == Reason::kNoMapping && transplants_.busy() && now < deadline_) {
    transplants_.hurry();
    return false;
  }
  note(o);
  // The same code on both sides: what made one of them fail was not the code.
  if (!o.ok() && o.reason != Reason::kNothingChanged) {
    failed(o.sentence);
    return false;
  }
  functions_ = o.functions;
  left_ = o.left;
  go_on(RecoveryStage::kAtCrash, RecoveryStage::kOver);
  return true;
}

bool PairRecovery::at_divergence() {
  if (!functions_.empty()) {
    Stopped stopped(copy_);
    Outcome o;
    if (stopped.good())
      o = transplants_.revert(version_, copy_, pair().recovery.tid, stopped.threads());
    if (!stopped.good() || !o.ok() || !stopped.write_back()) {
      failed(o.sentence.empty() ? "its own code could not be put back" : o.sentence);
      return false;
    }
    note(o);
  }
  go_on(RecoveryStage::kAtDivergence, RecoveryStage::kBack);
  return true;
}

int64_t PairRecovery::microseconds() const {
  return static_cast<int64_t>(ticks_to_microseconds(
      static_cast<int64_t>(__builtin_ia32_rdtsc() - pair().recovery.started_tsc)));
}

void PairRecovery::write(const char* result, const std::string& reason) {
  ordered_json line{{"version", name(version_)}, {"result", result}, {"pid", copy_}};
  if (!reason.empty()) line["reason"] = reason;
  line["functions"] = functions_;
  line["microseconds"] = microseconds();
  for (const recovery::Step& s : steps_) line["steps"][s.name] = s.microseconds;
  if (!left_.empty()) line["left"] = left_;
  for (const recovery::Step& s : timeline_) line["timeline"][s.name] = s.microseconds;
  report_.write("recovery", line);
  crashes_.add_recovery(crashed_, line);
}

void PairRecovery::finish() {
  active_ = false;
  write("resynchronised", remark_);
}

void PairRecovery::failed(const std::string& reason) {
  if (!active_) return;
  give_up(reason);
  report_start();
}

void PairRecovery::none(Version v, pid_t pid) {
  const std::string why = why_no_checkpoint(pair().checkpoint[static_cast<int>(v)]);
  report_.write("recovery", {{"version", name(v)},
                             {"result", "not possible"},
                             {"pid", pid},
                             {"reason", why},
                             {"functions", ordered_json::array()},
                             {"microseconds", 0}});
}

void PairRecovery::refuse() {
  Process& p = pair();
  if (active_ || !is(p, RecoveryStage::kAsked)) return;
  let_leader_go(arena_.control(), p);
  p.recovery.stage.store(static_cast<uint32_t>(RecoveryStage::kNone));
  futex_wake(p.recovery.stage);
}

void PairRecovery::report_start() {
  if (!why_not_.empty()) write("not possible", why_not_);
  why_not_.clear();
}

void PairRecovery::give_up(const std::string& reason) {
  active_ = false;
  why_not_ = reason;
  Process& p = pair();
  if (p.state.load() == static_cast<uint32_t>(PairState::kFailover)) {
    why_not_ += "; the other version has failed as well";
    return;  // it is the last one: it may still come through
  }
  if (!ended()) {
    let_leader_go(arena_.control(), p);
    p.recovery.stage.store(static_cast<uint32_t>(RecoveryStage::kNone));
    futex_wake(p.recovery.stage);
  }
  if (copy_ <= 1) return;
  records_.given_up.insert(copy_);
  signal_own(copy_, SIGKILL);
}

}  // namespace mx::monitor
