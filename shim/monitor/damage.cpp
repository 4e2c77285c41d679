// What a version has written over the arena. The monitor knows some of the words that lead the
// first pair by itself; where they are none that mx writes it puts them back, and the program goes
// on with one version.
#include <signal.h>

#include "shim/monitor/events.h"
#include "shim/monitor/monitor.h"
#include "shim/monitor/own_processes.h"
#include "shim/monitor/proc_stat.h"

namespace mx::monitor {

using namespace stream;

void Monitor::tell_of_damage(const char* where) {
  if (!told_of_damage_.insert(where).second) return;
  report_.write("note", {{"reason", std::string(where) +
                                        " in the shared arena was written over by a version"}});
}

namespace {

bool is_a_state(uint32_t state) {
  return state > static_cast<uint32_t>(PairState::kFree) &&
         state <= static_cast<uint32_t>(PairState::kEnded);
}

}  // namespace

// Of a version that has not ended the id is this monitor's to know; a copy that comes back has
// another one for a moment.
bool Monitor::root_is_sane() const {
  const Process& p = arena_.control().processes[0];
  if (!is_a_state(p.state.load()) || p.leader.load() > 1) return false;
  if (recoveries_.any_active()) return true;
  for (int v : {0, 1}) {
    const int32_t pid = fetched(p.real_pid[v]);
    if (!roots_[v].ended && pid != roots_[v].pid && !is_own_process(pid)) return false;
  }
  return true;
}

void Monitor::look_for_damage() {
  Process& p = root();
  if (root_is_sane()) {
    sane_leader_ = p.leader.load() & 1;
    return;
  }
  if (program_ended_) return;
  tell_of_damage("what is known of the first process");
  const auto follower = static_cast<Version>(1 - sane_leader_);
  p.leader.store(sane_leader_);
  for (int v : {0, 1}) p.real_pid[v] = roots_[v].pid;
  p.failing.store(0);
  p.handover.store(0);
  p.recovery.stage.store(0);
  const bool leads = !roots_[sane_leader_].ended && proc_stat(roots_[sane_leader_].pid).lives();
  p.alive[sane_leader_].store(leads);
  p.state.store(static_cast<uint32_t>(PairState::kPaired));
  Root& r = roots_[1 - sane_leader_];
  if (r.ended || r.was_dropped) {
    let_leader_go(arena_.control(), p);
    return;
  }
  p.alive[1 - sane_leader_].store(1);
  if (!leads) return;  // the follower is the last one
  drop_root_follower(follower, "the shared arena was written over");
  signal_own(r.pid, SIGKILL);
}

}  // namespace mx::monitor
