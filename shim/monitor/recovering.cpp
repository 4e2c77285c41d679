// What the monitor does about checkpoints and recovery, between the events of the run.
#include <signal.h>

#include "shim/monitor/clock.h"
#include "shim/monitor/monitor.h"

namespace mx::monitor {

using namespace stream;

namespace {

bool asked_for(const Process& p) {
  return p.recovery.stage.load() == static_cast<uint32_t>(RecoveryStage::kAsked);
}

}  // namespace

// Once the program has shown that it stays: the analysis costs processor time.
void Monitor::prepare_transplants() {
  if (prepared_ || !options_.recovery) return;
  const Process& p = root();
  if (!p.checkpoint[0].count || !p.checkpoint[1].count || !p.alive[0].load() || !p.alive[1].load())
    return;
  prepared_ = true;
  transplants_.prepare({p.real_pid[0], p.real_pid[1]});
}

// `crashed`: the process that failed; `stands`: it can still be looked at.
void Monitor::start_recovery(pid_t crashed, bool stands) {
  if (!asked_for(root()) || recoveries_.active()) return;
  const auto v = static_cast<Version>(root().recovery.version & 1);
  Root& r = roots_[static_cast<int>(v)];
  const char* why_not =
      r.out_of_memory ? "it was killed for want of memory, and would need the same again" : "";
  if (const pid_t copy = recoveries_.begin(crashed, stands, seconds(), why_not)) {
    r.pid = copy;
    r.ended = r.was_dropped = false;
    return;
  }
  start_failed_ = true;
}

// The crash has its folder, and its checkpoint was woken.
void Monitor::keep_bundle() {
  if (const auto origin = recoveries_.take_origin())
    crashes_.add_bundle(recoveries_.crashed(), *origin);
  else if (const std::string why = recoveries_.take_why_no_origin(); !why.empty())
    crashes_.add_no_bundle(recoveries_.crashed(), why);
}

// After the line of the crash.
void Monitor::report_recovery_start() {
  if (!start_failed_) return;
  start_failed_ = false;
  recoveries_.report_start();
  const Version v = recoveries_.version();
  Root& r = roots_[static_cast<int>(v)];
  r.was_dropped = true;
  report_.write("dropped",
                {{"version", name(v)}, {"pid", r.pid}, {"reason", "it could not be recovered"}});
  if (v != leader() && !crashes_.looks_at(r.pid)) kill_version(v);
}

void Monitor::continue_recovery() {
  const double now = seconds();
  if (recoveries_.active()) {
    const Version v = recoveries_.version();
    if (recoveries_.step(now))
      checkpoints_.soon(v, now);
    else if (!recoveries_.active())
      drop_root_follower(v, "it could not be recovered");
  } else {
    checkpoints_.look(now);
    prepare_transplants();
  }
}

// Killed from outside, or for want of memory: nothing has to be carried over, it only catches up.
bool Monitor::recover_killed_follower(Version v) {
  Process& p = root();
  const Checkpoint& c = p.checkpoint[static_cast<int>(v)];
  const bool asleep = is(current_of(c), SleeperState::kAsleep);
  if (!options_.recovery || recoveries_.active() || !asleep || p.recovery.stage.load() != 0)
    return false;
  p.recovery.version = static_cast<uint32_t>(v);
  p.recovery.lane = p.recovery.led = 0;
  p.recovery.crash_position = 0;
  p.recovery.started_tsc = __builtin_ia32_rdtsc();
  p.recovery.stage.store(static_cast<uint32_t>(RecoveryStage::kAsked));
  start_recovery(roots_[static_cast<int>(v)].pid, false);
  report_recovery_start();
  return true;
}

// Of a version that has failed and does not come back, once.
void Monitor::tell_of_no_recovery(const Process& p, Version v, pid_t pid) {
  if (!options_.recovery || recoveries_.knows(pid) || !told_.insert(pid).second) return;
  recoveries_.none(p, v, pid);
}

void Monitor::end_recoveries() {
  checkpoints_.end_all();
  if (!crashes_.busy()) end_witness(arena_);
  for (pid_t pid : recoveries_.replaced()) kill(pid, SIGKILL);
  for (pid_t pid : recoveries_.stand_ins()) kill(pid, SIGKILL);
}

}  // namespace mx::monitor
