#include "shim/monitor/events.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

#include "shim/monitor/error.h"
#include "shim/syscalls/syscalls.h"

namespace mx::monitor {

using namespace stream;

namespace {
sigset_t inherited_mask;
}

const sigset_t& original_mask() { return inherited_mask; }

int open_signals(bool every) {
  sigset_t set;
  sigemptyset(&set);
  if (every) {
    sigfillset(&set);
    for (int sig : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT})
      sigdelset(&set, sig);
  }
  for (int sig : {SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT,
                  SIGWINCH, SIGIO, SIGPWR})
    sigaddset(&set, sig);
  for (int sig = SIGRTMIN; sig <= SIGRTMAX; sig++) sigaddset(&set, sig);
  sigprocmask(SIG_BLOCK, &set, &inherited_mask);
  int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) throw system_error("signalfd");
  return fd;
}

void wait_readable(int fd) {
  pollfd one{fd, POLLIN, 0};
  poll(&one, 1, -1);
}

int open_message_wakeups(Control& control) {
  int fd = eventfd(0, EFD_CLOEXEC);
  if (fd < 0) throw system_error("eventfd");
  Word* word = &control.monitor_wake;
  std::thread([fd, word] {
    uint32_t seen = 0;
    for (;;) {
      uint32_t now = word->load();
      if (now == seen) {
        syscall(SYS_futex, word, FUTEX_WAIT, seen, nullptr, nullptr, 0);
        continue;
      }
      seen = now;
      uint64_t one = 1;
      (void)!write(fd, &one, sizeof one);
    }
  }).detach();
  return fd;
}

void release_standard_streams() {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return;
  for (int fd = 0; fd < 3; fd++) dup2(null, fd);
  close(null);
}

void futex_wake(Word& w) { syscall(SYS_futex, &w, FUTEX_WAKE, 1 << 30, nullptr, nullptr, 0); }

void answer_exec(Control& c, uint32_t process, Version v, ExecState state) {
  if (process >= kMaxProcesses) return;
  Word& w = c.processes[process].exec_state[static_cast<int>(v) & 1];
  w.store(static_cast<uint32_t>(state));
  futex_wake(w);
}

namespace {
void wake_lanes(Control& c, Process& p) {
  uint32_t index = static_cast<uint32_t>(&p - c.processes);
  for (Lane& l : lanes_taken(c)) {
    if (!l.in_use.load() || l.process != index) continue;
    l.consumer_waits.store(0);
    futex_wake(l.consumer_waits);
    l.producer_waits.store(0);
    futex_wake(l.producer_waits);
  }
}
}  // namespace

namespace {

// A thread that computes does not look at its lane.
void kick_follower(Control& c, const Process& p) {
  const uint32_t v = 1 - (p.leader.load() & 1);
  const auto index = static_cast<uint32_t>(&p - c.processes);
  if (p.real_pid[v] <= 1) return;
  for (const Lane& l : lanes_taken(c))
    if (l.in_use.load() && l.process == index && l.real_tid[v] > 1)
      syscall(SYS_tgkill, p.real_pid[v], l.real_tid[v], SIGSYS);
}

}  // namespace

void declare_dead(Control& c, Process& p) {
  uint32_t paired = static_cast<uint32_t>(PairState::kPaired);
  p.state.compare_exchange_strong(paired, static_cast<uint32_t>(PairState::kFailover));
  wake_lanes(c, p);
  kick_follower(c, p);
}

bool awaits_follower(const Process& p) {
  return p.state.load() == static_cast<uint32_t>(PairState::kFailover) && !p.alive[0].load() &&
         !p.alive[1].load() && p.real_pid[1 - (p.leader.load() & 1)] == 0;
}

bool remind_followers(Control& c) {
  bool any = false;
  for (Process& p : processes_taken(c)) {
    if (p.state.load() != static_cast<uint32_t>(PairState::kFailover) ||
        p.alive[p.leader.load() & 1].load())
      continue;
    any = true;
    kick_follower(c, p);
  }
  return any;
}

void let_leader_go(Control& c, Process& p) {
  uint32_t paired = static_cast<uint32_t>(PairState::kPaired);
  p.state.compare_exchange_strong(paired, static_cast<uint32_t>(PairState::kSolo));
  wake_lanes(c, p);
}

std::string call_name(long nr) {
  const auto& d = sys::describe(nr);
  return d.nr == 0xffff ? "system call " + std::to_string(nr) : d.name;
}

}  // namespace mx::monitor
