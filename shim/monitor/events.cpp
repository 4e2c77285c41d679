#include "shim/monitor/events.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "shim/monitor/arena.h"
#include "shim/monitor/error.h"
#include "shim/monitor/own_processes.h"
#include "shim/monitor/pace.h"
#include "shim/syscalls/syscalls.h"

namespace mx::monitor {

using namespace stream;

namespace {
sigset_t inherited_mask;
}

const sigset_t& original_mask() { return inherited_mask; }

namespace {
sigset_t watched_signals(bool every) {
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
  return set;
}
}  // namespace

void hold_signals(bool every) {
  const sigset_t set = watched_signals(every);
  sigprocmask(SIG_BLOCK, &set, &inherited_mask);
}

int open_signals(bool every) {
  const sigset_t set = watched_signals(every);
  int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) throw system_error("signalfd");
  return fd;
}

void wait_readable(int fd) {
  pollfd one{fd, POLLIN, 0};
  poll(&one, 1, -1);
}

namespace {

// A stack of its own in memory that is there: the library's would cost two system calls, a page
// table and its end.
alignas(4096) char waiter_stack[256 * 1024];

struct Waiter {
  int fd;
  Word* word;
  std::function<void()> first;
};

void* wait_for_messages(void* p) {
  const std::unique_ptr<Waiter> w(static_cast<Waiter*>(p));
  if (w->first) w->first();
  for (uint32_t seen = 0;;) {
    const uint32_t now = w->word->load();
    if (now == seen) {
      syscall(SYS_futex, w->word, FUTEX_WAIT, seen, nullptr, nullptr, 0);
      continue;
    }
    seen = now;
    const uint64_t one = 1;
    (void)!write(w->fd, &one, sizeof one);
  }
}

}  // namespace

int open_message_wakeups(Control& control, std::function<void()> first) {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) throw system_error("eventfd");
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, waiter_stack, sizeof waiter_stack);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  auto waiter = std::make_unique<Waiter>(Waiter{fd, &control.monitor_wake, std::move(first)});
  pthread_t thread;
  errno = pthread_create(&thread, &attributes, wait_for_messages, waiter.get());
  pthread_attr_destroy(&attributes);
  if (errno != 0) throw system_error("cannot start a thread");
  waiter.release();
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

void wake_lanes(Control& c, const Process& p) {
  const auto index = static_cast<uint32_t>(&p - c.processes);
  for (Lane& l : lanes_taken(c)) {
    if (!l.in_use.load() || l.process != index) continue;
    l.consumer_waits.store(0);
    futex_wake(l.consumer_waits);
    l.producer_waits.store(0);
    futex_wake(l.producer_waits);
  }
}

void kick_threads(Control& c, const Process& p, int version) {
  const auto index = static_cast<uint32_t>(&p - c.processes);
  const pid_t pid = fetched(p.real_pid[version]);
  if (!is_own_process(pid)) return;
  for (const Lane& l : lanes_taken(c)) {
    const pid_t tid = fetched(l.real_tid[version]);
    if (l.in_use.load() && l.process == index && tid > 1) syscall(SYS_tgkill, pid, tid, SIGSYS);
  }
}

namespace {

// A thread that computes does not look at its lane.
void kick_follower(Control& c, const Process& p) {
  kick_threads(c, p, static_cast<int>(1 - (p.leader.load() & 1)));
}

}  // namespace

void declare_dead(Control& c, Process& p) {
  uint32_t paired = static_cast<uint32_t>(PairState::kPaired);
  p.state.compare_exchange_strong(paired, static_cast<uint32_t>(PairState::kFailover));
  // It may have a lot to read, and no idle processor to do it.
  if (p.gives_way.exchange(0)) set_pace(p.real_pid[1 - (p.leader.load() & 1)], SCHED_OTHER, 0);
  wake_lanes(c, p);
  kick_follower(c, p);
}

void await_takeover(Process& p) {
  constexpr timespec kStep{0, 2'000'000};
  constexpr int kSteps = 5;
  for (int i = 0; i < kSteps && p.state.load() == static_cast<uint32_t>(PairState::kFailover); i++)
    syscall(SYS_futex, &p.taker, FUTEX_WAIT, p.taker.load(), &kStep, nullptr, 0);
}

bool awaits_follower(const Process& p) {
  const uint32_t leader = p.leader.load() & 1;
  return p.state.load() == static_cast<uint32_t>(PairState::kFailover) && !p.alive[leader].load() &&
         fetched(p.real_pid[1 - leader]) == 0;  // (set last, when it is born)
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

std::string why_ended(int signal, bool out_of_memory) {
  if (signal != SIGKILL) return "ended by the kernel";
  return out_of_memory ? "killed by the kernel for want of memory" : "killed";
}

std::string call_name(long nr) {
  const auto& d = sys::describe(nr);
  return d.nr == 0xffff ? "system call " + std::to_string(nr) : d.name;
}

}  // namespace mx::monitor
