// The end of processes of the program other than the first: of its children, of those whose parent
// has ended, and of copies that took the place of one (docs/recovery.md).
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/monitor/events.h"
#include "shim/monitor/last_words.h"
#include "shim/monitor/monitor.h"
#include "shim/monitor/proc_stat.h"

namespace mx::monitor {

using namespace stream;

// The kernel tells a process that acts for the program of the end of this one: it is the program's
// own affair.
bool Monitor::program_hears(pid_t pid) const {
  const pid_t parent = proc_stat(pid).parent;
  for (const Process& p : processes_taken(arena_.control())) {
    const uint32_t v = p.leader.load() & 1;
    if (p.real_pid[v] == parent && p.alive[v].load()) return true;
  }
  return false;
}

void Monitor::on_child_of_program_end(pid_t pid) {
  if (program_ended_) return on_sudden_end(pid, SIGKILL);  // init's children now: background.cpp
  const ProcStat k = proc_stat(pid);
  // Somebody has waited for it already: a process that follows does so only when the program has.
  if (!k.state) return;
  if (k.lives()) return;             // it is not the one that has ended
  if (k.parent == getpid()) return;  // a copy: on_child()
  if (program_hears(pid)) return;
  for (Process& p : processes_taken(arena_.control())) {
    const uint32_t v = p.leader.load() & 1;
    if (p.real_pid[v] == pid && p.alive[v].load()) hear_last_words(pid, p);
  }
  on_sudden_end(pid, SIGKILL);
}

// A process whose parent has ended, or a copy: nobody else hears of its death.
void Monitor::on_orphan_end(pid_t pid, int status) {
  if (WIFSIGNALED(status)) on_sudden_end(pid, WTERMSIG(status));
}

void Monitor::on_sudden_end(pid_t pid, int signal) {
  if (recoveries_.knows(pid))
    return;  // it had failed, and its copy may not have taken its place yet
  for (Process& p : processes_taken(arena_.control()))
    for (Version v : {Version::kOld, Version::kNew})
      if (&p != &root() && p.real_pid[static_cast<int>(v)] == pid &&
          p.alive[static_cast<int>(v)].load())
        on_sudden_end_of(p, v, signal);
}

void Monitor::on_sudden_end_of(Process& p, Version v, int signal) {
  const auto i = static_cast<int>(v);
  const pid_t pid = p.real_pid[i];
  const bool paired = p.state.load() == static_cast<uint32_t>(PairState::kPaired);
  const bool leads = p.leader.load() == static_cast<uint32_t>(v);
  const bool to_come = leads && p.real_pid[1 - i] == 0;  // its parent has not come as far yet
  const bool survives =
      paired && (to_come || (p.alive[1 - i].load() && proc_stat(p.real_pid[1 - i]).lives()));
  p.alive[i].store(0);
  if (survives)
    report_.write("crash", {{"version", name(v)},
                            {"signal", signal},
                            {"pid", pid},
                            {"reason", why_ended(signal, false)}});
  if (survives && leads) {
    if (!p.last_words.known.load()) miss_last_words(p);
    declare_dead(arena_.control(), p);
  } else if (leads) {
    end_stand_ins(p, signal);
  } else if (survives && !recover_killed_follower(p, v)) {
    tell_of_no_recovery(p, v, pid);
    drop_follower_of(static_cast<uint32_t>(&p - arena_.control().processes), v,
                     why_ended(signal, false).c_str());
  }
}

// Nobody is left to tell them.
void Monitor::end_stand_ins(Process& p, int status) const {
  p.husk_status = status;
  p.husk.store(2);
  futex_wake(p.husk);
}

}  // namespace mx::monitor
