// A program that puts itself into the background: `mx run` ends with its first process, a monitor
// stays with the others.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "shim/monitor/clock.h"
#include "shim/monitor/events.h"
#include "shim/monitor/monitor.h"
#include "shim/monitor/own_processes.h"

namespace mx::monitor {

using namespace stream;

namespace {
constexpr int kLookMs = 1000;
// Seconds: who ends within them was about to (a child that was told to).
constexpr double kLeaves = 0.1;
}  // namespace

// Processes of the program that go on when its first one has ended.
bool Monitor::others_lead() const {
  for (const Process& p : processes_taken(arena_.control())) {
    auto state = static_cast<PairState>(p.state.load());
    if (&p == &root() || state == PairState::kFree || state == PairState::kEnded) continue;
    const uint32_t v = p.leader.load() & 1;
    auto there = [&p](uint32_t version) {
      return p.alive[version].load() && p.real_pid[version] > 1 &&
             signal_own(p.real_pid[version], 0) == 0;
    };
    if (there(v)) return true;
    // It may have been killed a moment ago, and the other version's may be yet to be born.
    const bool killed = p.alive[v].load() && state == PairState::kPaired;
    if ((killed || state == PairState::kFailover) && there(1 - v)) return true;
    if (killed && p.real_pid[1 - v] == 0) return true;
  }
  return false;
}

// A new process that is not there yet. If its parent leads no more, it was killed before it made
// one.
bool Monitor::awaits_leader(const Process& p) const {
  const auto state = static_cast<PairState>(p.state.load());
  const uint32_t v = p.leader.load() & 1;
  if ((state != PairState::kPaired && state != PairState::kSolo) || p.real_pid[v] != 0)
    return false;
  const auto all = processes_taken(arena_.control());
  return std::any_of(all.begin(), all.end(), [&](const Process& parent) {
    return parent.vpid == p.vppid && (parent.leader.load() & 1) == v;
  });
}

bool Monitor::others_to_come() const {
  const auto all = processes_taken(arena_.control());
  return std::any_of(all.begin(), all.end(), [this](const Process& p) {
    return &p != &root() && (awaits_leader(p) || awaits_follower(p));
  });
}

// In a process of its own: the thread that turns messages into wake-ups has stayed behind.
void Monitor::wait_for_others() {
  const int wake = open_message_wakeups(arena_.control());
  // The one before is in the set for as long as the
  // first process has it: it would be read as this one.
  epoll_ctl(epoll_, EPOLL_CTL_DEL, wake_, nullptr);
  dup3(wake, wake_, O_CLOEXEC);
  epoll_event e{};
  e.events = EPOLLIN;
  e.data.fd = wake_;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &e);
  const double patience = options_.hang_timeout_s > 0 ? options_.hang_timeout_s : 10;
  const double began = seconds();
  double until = began + patience;  // for who is to take over and not there yet
  for (bool said = false;;) {
    const bool to_come = others_to_come();  // first: who comes meanwhile leads then
    if (others_lead())
      until = seconds() + patience;
    else if (!to_come || seconds() >= until)
      break;
    for (const Process& p : processes_taken(arena_.control()))
      for (int v : {0, 1})
        if (p.alive[v].load() && p.real_pid[v] > 1 && !process_watch_.watch(p.real_pid[v]))
          on_sudden_end(p.real_pid[v], SIGKILL);  // the status is its parent's to know
    if (!said && seconds() - began >= kLeaves) {
      report_.write("note", {{"reason", "the program went on in the background"}});
      said = true;
    }
    const int reminder = sooner(remind(), said ? kLookMs : static_cast<int>(kLeaves * 1000));
    const int timeout = sooner(handover_.timeout_ms(), crashes_.timeout_ms());
    serve_events(sooner(timeout, reminder));
    continue_handover();
    crashes_.fill(seconds(), false);
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) on_child(pid, status);
  }
  await_crash_folders();
  kill_followers();
}

}  // namespace mx::monitor
