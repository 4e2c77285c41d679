// What the monitor does about checkpoints and recovery, between the events of the run.
#include <signal.h>

#include <utility>

#include "shim/monitor/clock.h"
#include "shim/monitor/events.h"
#include "shim/monitor/monitor.h"
#include "shim/monitor/own_processes.h"
#include "shim/monitor/proc_stat.h"

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

void Monitor::start_recovery(uint32_t process, Failed f) {
  Process& p = arena_.control().processes[process];
  PairRecovery& recovery = recoveries_.of(process);
  if (!asked_for(p) || recovery.active()) return;
  const auto v = static_cast<Version>(p.recovery.version & 1);
  Root& r = roots_[static_cast<int>(v)];
  if (p.is_root && r.out_of_memory)
    f.why_not = "it was killed for want of memory, and would need the same again";
  JointCheckpoints& joint = checkpoints_.joint();
  const bool first_of_all = JointCheckpoints::shares(p, v) && !joint.was_used(v);
  joint.interrupt();
  if (first_of_all && !joint.complete(v, process)) f.why_not = joint.why_not(v, process);
  if (first_of_all) joint.begin_epoch(v);
  const pid_t copy = recovery.begin(f, seconds());
  if (!copy) {
    if (first_of_all) joint.take_back_epoch(v);
    start_failed_ = process;
    return;
  }
  if (p.is_root) {
    r.pid = copy;
    r.ended = r.was_dropped = false;
  }
  if (first_of_all) {
    joint.used(v);
    rolls_back_[static_cast<int>(v)] = true;
  }
}

// A process of this version has gone back: so do all that share its memory. Those that lead change
// sides first, and go back as each former leader does.
void Monitor::roll_back_sharers(Version v) {
  const int i = static_cast<int>(v);
  bool leads = false;
  for (Process& p : processes_taken(arena_.control())) {
    if (!JointCheckpoints::shares(p, v) || !p.alive[i].load()) continue;
    if (p.leader.load() == static_cast<uint32_t>(v)) {
      leads |= p.state.load() == static_cast<uint32_t>(PairState::kPaired);
      continue;
    }
    const pid_t pid = p.real_pid[i];
    replay_follower(p, v, {.pid = pid, .stands = is_own_process(pid), .along = true});
  }
  if (!leads) return;
  if (handover_.begin(other(v), handover_limit()).empty())
    asked_ = {};
  else
    rolls_back_[i] = handover_.active();  // the operator's, first
}

// Some have gone back, and some go on with what the memory is now: only these stay.
void Monitor::part_sharers(Version v) {
  checkpoints_.joint().forget(v);
  for (Process& p : processes_taken(arena_.control())) {
    const bool follows = p.leader.load() != static_cast<uint32_t>(v) &&
                         p.state.load() == static_cast<uint32_t>(PairState::kPaired);
    if (follows && JointCheckpoints::shares(p, v))
      drop_follower_of(static_cast<uint32_t>(&p - arena_.control().processes), v,
                       "processes that share its memory could not go back with it");
  }
}

// The crash has its folder, and its checkpoint was woken.
void Monitor::keep_bundle(uint32_t process) {
  PairRecovery& recovery = recoveries_.of(process);
  if (const auto origin = recovery.take_origin())
    crashes_.add_bundle(recovery.crashed(), *origin);
  else if (const std::string why = recovery.take_why_no_origin(); !why.empty())
    crashes_.add_no_bundle(recovery.crashed(), why);
}

// After the line of the crash.
void Monitor::report_recovery_start() {
  if (!start_failed_) return;
  const uint32_t process = *std::exchange(start_failed_, std::nullopt);
  PairRecovery& recovery = recoveries_.of(process);
  const Process& p = arena_.control().processes[process];
  recovery.report_start();
  const Version v = recovery.version();
  const pid_t pid = p.is_root ? roots_[static_cast<int>(v)].pid : recovery.crashed();
  report_.write("dropped",
                {{"version", name(v)}, {"pid", pid}, {"reason", "it could not be recovered"}});
  const bool led = p.leader.load() == static_cast<uint32_t>(v);
  if (p.is_root) roots_[static_cast<int>(v)].was_dropped = true;
  if (led || crashes_.looks_at(pid)) return;
  if (p.is_root)
    kill_version(v);
  else if (!p.recovery.led && pid > 1)
    signal_own(pid, SIGKILL);
}

void Monitor::continue_recovery() {
  const double now = seconds();
  for (const Version v : {Version::kOld, Version::kNew})
    if (std::exchange(rolls_back_[static_cast<int>(v)], false)) roll_back_sharers(v);
  if (!recoveries_.any_active()) {
    checkpoints_.look(now);
    watch_children();
    prepare_transplants();
    return;
  }
  recoveries_.each_active([this, now](uint32_t process, PairRecovery& r) {
    const Version v = r.version();
    if (r.step(now))
      checkpoints_.soon(process, v, now);
    else if (!r.active())
      drop_follower_of(process, v, "it could not be recovered");
  });
}

// They are no children of the monitor's.
void Monitor::watch_children() {
  for (const uint32_t i : checkpoints_.children()) {
    const Process& p = arena_.control().processes[i];
    for (int v : {0, 1})
      if (p.checkpoint[v].count && p.alive[v].load()) process_watch_.watch(p.real_pid[v]);
  }
}

void Monitor::on_copy_end(PairRecovery& r) {
  const Version v = r.version();
  r.failed("it ended while it caught up");
  drop_follower_of(r.process(), v, "it could not be recovered");
}

// It has been looked at. A process whose end the program would hear of stands for its child until
// that ends.
void Monitor::end_replaced(pid_t victim) {
  signal_own(victim, program_hears(victim) ? SIGCONT : SIGKILL);
  recoveries_.forget(victim);
}

bool Monitor::can_replay(const Process& p, Version v) {
  return options_.recovery && !recoveries_.of(p).active() && p.recovery.stage.load() == 0 &&
         is(current_of(p.checkpoint[static_cast<int>(v)]), SleeperState::kAsleep);
}

// Nothing has to be carried over, it only catches up. False: it cannot.
bool Monitor::replay_follower(Process& p, Version v, const Failed& f) {
  if (!can_replay(p, v)) return false;
  p.recovery.version = static_cast<uint32_t>(v);
  p.recovery.lane = p.recovery.led = 0;
  p.recovery.crash_position = 0;
  p.recovery.started_tsc = __builtin_ia32_rdtsc();
  p.recovery.stage.store(static_cast<uint32_t>(RecoveryStage::kAsked));
  start_recovery(static_cast<uint32_t>(&p - arena_.control().processes), f);
  report_recovery_start();
  if (recoveries_.was_replaced(f.pid)) on_looked_at(f.pid);
  return true;
}

// Killed from outside, or for want of memory.
bool Monitor::recover_killed_follower(Process& p, Version v) {
  const auto i = static_cast<int>(v);
  return replay_follower(p, v, {p.is_root ? roots_[i].pid : p.real_pid[i], false});
}

// A follower that could come back went another way: it stands still.
void Monitor::on_strayed(uint32_t process, Version v, pid_t pid, const std::string& how) {
  const Process& p = arena_.control().processes[process];
  if (recoveries_.was_given_up(pid) || p.real_pid[static_cast<int>(v)] != pid) return;
  start_recovery(process, {pid, is_own_process(pid), how});
  report_recovery_start();
  if (recoveries_.was_replaced(pid)) on_looked_at(pid);
}

// A follower that hangs. Threads that wait for each other need not do so the next time.
bool Monitor::recover_hung_follower(Process& p, Version v, pid_t pid) {
  const std::vector<pid_t> threads = threads_of(pid);
  if (threads.size() < 2 || !all_asleep(pid, threads) || !can_replay(p, v)) return false;
  report_.write("hang", {{"version", name(v)}, {"pid", pid}});
  replay_follower(p, v, {pid, true, "its threads waited for each other"});
  wake_lanes(arena_.control(), p);
  return true;
}

void Monitor::drop_hung_followers() {
  double now = seconds();
  if (now < next_look_ || recoveries_.any_active()) return;
  next_look_ = now + follower_watch_.interval_ms() / 1000.0;
  for (const auto [index, for_sure, again, crawls] : follower_watch_.look(arena_.control(), now)) {
    Process& p = arena_.control().processes[index];
    auto v = static_cast<Version>(1 - (p.leader.load() & 1));
    pid_t pid = p.real_pid[static_cast<int>(v)];
    const bool paired = p.state.load() == static_cast<uint32_t>(PairState::kPaired);
    if (!paired || signal_own(pid, 0) != 0) continue;
    if (!again && recover_hung_follower(p, v, pid)) return;
    if (!for_sure) continue;
    report_.write("hang", {{"version", name(v)}, {"pid", pid}});
    drop_follower_of(index, v, crawls ? "takes events too slowly" : "takes no events");
    if (&p == &root()) kill_version(v);
  }
}

// Of a version that has failed and does not come back, once.
void Monitor::tell_of_no_recovery(const Process& p, Version v, pid_t pid) {
  if (!options_.recovery || recoveries_.knows(pid) || !told_.insert(pid).second) return;
  recoveries_.of(p).none(v, pid);
}

void Monitor::end_recoveries() {
  checkpoints_.end_all();
  Control& c = arena_.control();
  if (!crashes_.busy())
    for (const Process& p : processes_taken(c))
      end_witness(arena_, static_cast<uint32_t>(&p - c.processes));
  for (pid_t pid : recoveries_.records().replaced) signal_own(pid, SIGKILL);
  for (pid_t pid : recoveries_.records().stand_ins) signal_own(pid, SIGKILL);
}

}  // namespace mx::monitor
