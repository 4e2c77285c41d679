#include "shim/monitor/monitor.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/platform/x86.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "shim/monitor/clock.h"
#include "shim/monitor/events.h"
#include "shim/monitor/inject.h"
#include "shim/monitor/last_words.h"
#include "shim/monitor/own_mounts.h"
#include "shim/monitor/own_processes.h"
#include "shim/monitor/pace.h"

namespace mx::monitor {

using namespace stream;

namespace {

double processor_seconds(const rusage& used) {
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

constexpr double kYouth = 0.02;  // seconds

// A number high enough not to be in the program's way, low enough that the kernel's descriptor
// tables (copied at every fork) stay small.
uint32_t reserved_descriptor() {
  rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  rlim_t top = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
  if (top < 32) throw Error("the limit on open descriptors (ulimit -n) is below 32");
  return static_cast<uint32_t>(top - 1);
}

void set_text(char (&to)[512], const std::string& from) {
  if (from.size() >= sizeof to) throw Error("path too long: " + from);
  std::memcpy(to, from.c_str(), from.size() + 1);
}

void fault_from_environment(Settings& s) {
  const char* fault = getenv("MX_FAULT");
  if (!fault) return;
  std::string text = fault;
  size_t colon = text.find(':');
  std::string kind = text.substr(0, colon);
  s.fault_kind = kind == "kill" ? 1 : kind == "ill" ? 2 : kind == "kill-after" ? 3 : 0;
  bool number = colon != std::string::npos && colon + 1 < text.size() && text.size() - colon < 18 &&
                text.find_first_not_of("0123456789", colon + 1) == std::string::npos;
  if (!s.fault_kind || !number)
    throw Error("MX_FAULT=" + text +
                ": expected kill:N, kill-after:N or ill:N (see docs/testing.md)");
  s.fault_event = std::stoull(text.substr(colon + 1));
  unsetenv("MX_FAULT");
}

}  // namespace

Monitor::Monitor(const Options& options)
    : options_(options),
      rules_(Rules::read(options.rules)),
      report_(options.report),
      sites_(arena_, options.container, options.host_tables),
      follower_watch_(options.hang_timeout_s),
      checkpoints_(arena_, options.recovery) {
  fill_settings();
  started_ = seconds();
  open_state();
}

Monitor::~Monitor() {
  for (int fd : {epoll_, signals_, wake_})
    if (fd >= 0) close(fd);
}

void Monitor::fill_settings() {
  Settings& s = arena_.control().settings;
  s.full_lockstep = options_.full_lockstep;
  s.serial_threads = options_.serial_threads;
  s.hang_timeout_ms = static_cast<uint32_t>(options_.hang_timeout_s * 1000);
  s.recovery = options_.recovery;
  s.reserved_fd = reserved_descriptor();
  s.cpus = static_cast<uint32_t>(sysconf(_SC_NPROCESSORS_ONLN));
  rlimit space{};
  getrlimit(RLIMIT_AS, &space);
  for (int i : {0, 1}) {
    s.address_space[i] = arena_.raised()[i] + options_.address_space;
    // Without a limit nothing had to be raised: one that the program gives itself is.
    if ((i ? space.rlim_max : space.rlim_cur) == RLIM_INFINITY)
      s.address_space[i] = stream::kAddressSpace;
  }
  s.monitor_pid = getpid();
  s.has_aes = CPU_FEATURE_ACTIVE(AES);
  s.may_give_way = may_set_pace();
  uint64_t random;
  if (getrandom(&random, sizeof random, 0) != sizeof random) throw system_error("getrandom");
  s.cookie = ((random << 12) & 0x7ffffffffffff000ULL) | (uint64_t{1} << 40);
  for (int v = 0; v < 2; v++) {
    set_text(s.program[v], options_.program[v]);
    set_text(s.root[v], options_.root[v]);
  }
  s.different_roots = options_.root[0] != options_.root[1];
  if (s.different_roots) find_own_mounts(s, options_.root);
  set_text(s.canonical_program, options_.program[static_cast<int>(options_.leader)]);
  fault_from_environment(s);
}

int Monitor::run() {
  hold_signals(options_.container);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  Process& p = root();
  p.is_root = 1;
  know_own_processes(arena_.fd(), static_cast<int>(arena_.control().settings.reserved_fd));
  auto& random = p.image[0].at_random;
  if (getrandom(random, sizeof random, 0) < 0) throw system_error("getrandom");
  std::memcpy(p.image[1].at_random, random, sizeof random);
  p.leader.store(static_cast<uint32_t>(options_.leader));
  p.threads.store(1);
  p.vppid = getpid();
  p.state.store(static_cast<uint32_t>(PairState::kPaired));
  note_taken(arena_.control().processes_end, 0);
  note_taken(arena_.control().lanes_end, 0);
  Lane& lane = arena_.control().lanes[0];
  lane.users.store(2);
  lane.in_use.store(1);
  for (const std::string& note : options_.notes) report_.write("note", {{"reason", note}});
  start();
  grown_at_ = seconds() + (options_.container ? 0 : kYouth);  // a container is a service
  sane_leader_ = static_cast<uint32_t>(options_.leader);
  watch();
  finish();
  return exit_code();
}

void Monitor::open_events() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  signals_ = open_signals(options_.container);
  for (int fd : {signals_, wake_}) {
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.fd = fd;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e) != 0) throw system_error("epoll_ctl");
  }
  process_watch_.open(epoll_);
}

// What goes wrong in here (no memory, a file that cannot be read) must not end this process, and
// with it failover.
void Monitor::watch() {
  constexpr int kMost = 100;
  for (int failures = 0; !program_ended_ || (!roots_[0].ended || !roots_[1].ended);) {
    try {
      if (!watch_on()) break;
    } catch (const std::exception& e) {
      if (++failures > kMost) throw;
      report_.write(
          "note",
          {{"reason", std::string("the monitor failed at something, and goes on: ") + e.what()}});
    }
  }
  take_messages();
}

// One round. False: the program has ended, and the rest is not waited for any more.
bool Monitor::watch_on() {
  int timeout = sooner(handover_.timeout_ms(), follower_watch_.interval_ms());
  timeout = sooner(timeout, crashes_.timeout_ms());
  timeout = sooner(timeout, recoveries_.any_active() ? recoveries_.timeout_ms(seconds())
                                                     : checkpoints_.interval_ms());
  timeout = sooner(timeout, remind());
  timeout = sooner(timeout, until_grown_ms());
  if (program_ended_) {
    const double left = deadline_ - seconds();
    if (left <= 0 || left_behind()) return false;
    timeout = std::min(static_cast<int>(left * 1000) + 1, Standstill::kLookMs);
  }
  serve_events(timeout);
  if (!program_ended_ && until_grown_ms() == 0) grow_up();
  continue_handover();
  continue_recovery();
  drop_hung_followers();
  crashes_.fill(seconds(), recoveries_.any_active());
  int status;
  pid_t pid;
  rusage used{};
  while ((pid = next_child()) > 0 &&
         wait4(pid, &status, WNOHANG | WUNTRACED | __WALL, &used) == pid)
    on_child(pid, status, processor_seconds(used));
  if (!young_) {
    want_of_memory_.rank(arena_.control());
    want_of_memory_.look(seconds());
  }
  return true;
}

// The program has ended, and of the other version's processes none goes on: their threads wait for
// one another (Go: for a thread that waits for an event of the leader's), and nobody else is there
// who could wake them.
bool Monitor::left_behind() {
  const int v = 1 - static_cast<int>(final_version_);
  if (roots_[v].ended) return false;
  std::vector<pid_t> pids = {roots_[v].pid};
  for (Process& p : processes_taken(arena_.control()))
    if (&p != &root() && p.alive[v].load() && p.real_pid[v] > 1) pids.push_back(p.real_pid[v]);
  if (!last_steps_.lasts(pids, seconds())) return false;
  report_.write("dropped", {{"version", name(static_cast<Version>(v))},
                            {"pid", roots_[v].pid},
                            {"reason", "stood still when the program had ended"}});
  return true;
}

// Now and then only: each is a signal (handover.cpp).
int Monitor::remind() {
  constexpr int kRemindMs = 20;
  const double now = seconds();
  if (!reminds_ || now >= next_reminder_) {
    reminds_ = remind_followers(arena_.control());
    next_reminder_ = now + kRemindMs / 1000.0;
  }
  return reminds_ ? kRemindMs : -1;
}

// A child that waitpid has news of, or 0. Before it is taken away: what the kernel says of one that
// was killed.
pid_t Monitor::next_child() {
  siginfo_t info{};
  if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) != 0) return 0;
  if (info.si_code != CLD_KILLED) return info.si_pid;
  for (Process& p : processes_taken(arena_.control())) {
    uint32_t v = p.leader.load() & 1;
    if (p.real_pid[v] == info.si_pid && p.alive[v].load()) hear_last_words(info.si_pid, p);
  }
  declare_killed_leader(info.si_pid);
  return info.si_pid;
}

// The program waits for this: before the kernel frees the process's structures (1.5 ms for redis
// with 1,000 connections), and before all papers.
void Monitor::declare_killed_leader(pid_t pid) {
  take_messages();
  Process& p = root();
  const int v = static_cast<int>(leader());
  if (roots_[v].pid != pid || roots_[1 - v].ended || program_ended_ || !p.alive[v].load() ||
      p.state.load() != static_cast<uint32_t>(PairState::kPaired))
    return;
  roots_[v].declared_dead = true;
  p.alive[v].store(0);  // before: the keeper answers for no living leader
  declare_dead(arena_.control(), p);
  await_takeover(p);
}

// Sleeps until something happens, and serves it.
void Monitor::serve_events(int timeout_ms) {
  epoll_event events[8];
  int n = epoll_wait(epoll_, events, 8, timeout_ms);
  look_for_damage();  // who leads decides what follows
  for (int i = 0; i < n; i++) {
    if (control_.serve(events[i].data.fd)) continue;
    if (const pid_t ended = process_watch_.serve(events[i].data.fd)) {
      ended_.push_back(ended);
      continue;
    }
    if (events[i].data.fd == wake_) {
      uint64_t count;
      (void)!read(wake_, &count, sizeof count);
      continue;
    }
    signalfd_siginfo info;
    while (read(signals_, &info, sizeof info) == sizeof info)
      if (info.ssi_signo != SIGCHLD) forward_signal(info.ssi_signo, info.ssi_code, info.ssi_pid);
  }
  take_messages();  // what they had to say themselves comes first
  for (const pid_t pid : std::exchange(ended_, {})) on_child_of_program_end(pid);
}

void Monitor::take_messages() {
  Control& c = arena_.control();
  for (size_t n = 0; n < kMailboxSlots;
       n++) {  // a mailbox full of rubbish does not hold this thread
    const uint64_t tail = c.mailbox_tail.load();
    if (tail == mailbox_at_) return;
    if (tail - mailbox_at_ > kMailboxSlots) return mend_mailbox();
    Message& m = c.mailbox[mailbox_at_ % kMailboxSlots];
    if (!m.ready.load(std::memory_order_acquire)) return;
    take_message(m);
    c.mailbox_head.store(++mailbox_at_);
  }
}

// A copy: a version could change it after it has been checked.
void Monitor::take_message(Message& from) {
  Message m;
  std::memcpy(static_cast<void*>(&m), &from, sizeof m);
  from.ready.store(0);
  on_message(m);
}

// A version has scribbled over the places of the mailbox. What stands in it is read in any order,
// and it begins anew.
void Monitor::mend_mailbox() {
  Control& c = arena_.control();
  tell_of_damage("the mailbox");
  for (Message& m : c.mailbox)
    if (m.ready.load(std::memory_order_acquire)) take_message(m);
  mailbox_at_ = 0;
  c.mailbox_head.store(0);
  c.mailbox_tail.store(0);
}

void Monitor::on_child(pid_t pid, int status, double used) {
  look_for_damage();
  if (WIFSTOPPED(status)) {
    on_trace_stop(pid, status);
    return;
  }
  traced_.erase(pid);
  if (transplants_.child_ended(pid, status)) return;
  if (const pid_t victim = crashes_.finished(pid)) {
    on_looked_at(victim);
    return;
  }
  for (Version v : {Version::kOld, Version::kNew})
    if (roots_[static_cast<int>(v)].pid == pid) return on_root_end(v, status);
  const bool out_of_memory =
      WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && want_of_memory_.struck();
  checkpoints_.child_ended(pid, out_of_memory, used, seconds());
  if (PairRecovery* r = recoveries_.of_copy(pid)) return on_copy_end(*r);
  on_orphan_end(pid, status);
}

void Monitor::on_root_end(Version v, int status) {
  Root& r = roots_[static_cast<int>(v)];
  const pid_t pid = r.pid;
  const bool declared = std::exchange(r.declared_dead, false);
  r.ended = true;
  r.status = status;
  const bool died = WIFSIGNALED(status);
  r.out_of_memory = died && WTERMSIG(status) == SIGKILL && want_of_memory_.struck();
  Process& p = root();
  if (!declared) take_messages();        // else done, and what has come since comes after this
  if (!r.ended || r.pid != pid) return;  // a message told that another process stands for it
  bool announced = !p.alive[static_cast<int>(v)].exchange(0);
  if (program_ended_) return;
  if (PairRecovery* copy = recoveries_.of_copy(pid)) return on_copy_end(*copy);
  Root& twin = roots_[static_cast<int>(other(v))];
  auto state = static_cast<PairState>(p.state.load());
  if (declared ||
      (v == leader() && state == PairState::kPaired && died && !announced && !twin.ended)) {
    // The program has not asked for this: the other version takes over.
    if (!declared) declare_dead(arena_.control(), p);  // first: the program waits for this
    nlohmann::ordered_json line{{"version", name(v)},
                                {"signal", WTERMSIG(status)},
                                {"pid", r.pid},
                                {"reason", why_ended(WTERMSIG(status), r.out_of_memory)}};
    Crash crash;
    crash.version = v;
    crash.pid = r.pid;
    crash.signal = SIGKILL;
    crash.lane = p.lane[static_cast<int>(v)];
    crash.survivor = twin.pid;
    crash.past = past_of(arena_, crash.lane);
    write_crash(crash, line);
    return;
  }
  if (v == leader() || twin.ended) {
    program_ended_ = true;
    final_version_ = v;
    double limit = options_.hang_timeout_s > 0 ? options_.hang_timeout_s : 10;
    deadline_ = seconds() + limit;
    if (state != PairState::kPaired) deadline_ = seconds() + 1;
    return;
  }
  if (state == PairState::kPaired && !r.was_dropped && !announced && died) {
    nlohmann::ordered_json line{{"version", name(v)}, {"signal", WTERMSIG(status)}, {"pid", r.pid}};
    line["reason"] = why_ended(WTERMSIG(status), r.out_of_memory);
    report_.write("crash", line);
    if (recover_killed_follower(p, v)) return;
    tell_of_no_recovery(p, v, pid);
    drop_root_follower(v, why_ended(WTERMSIG(status), r.out_of_memory).c_str());
  }
}

// A crashed follower has stood still to be looked at.
void Monitor::on_looked_at(pid_t victim) {
  if (recoveries_.was_replaced(victim)) {
    end_replaced(victim);
    return;
  }
  for (Version v : {Version::kOld, Version::kNew}) {
    Root& r = roots_[static_cast<int>(v)];
    if (r.pid == victim && r.was_dropped && v != leader()) kill_version(v);
  }
  for (Process& p : processes_taken(arena_.control())) {
    const uint32_t follower = 1 - (p.leader.load() & 1);
    const auto state = static_cast<PairState>(p.state.load());
    // (Its leader may have ended meanwhile.)
    const bool alone = state == PairState::kSolo || state == PairState::kEnded;
    if (&p != &root() && alone && p.real_pid[follower] == victim && p.husk.load() != 1)
      signal_own(victim, SIGKILL);
  }
}

void Monitor::drop_root_follower(Version v, const char* reason) {
  roots_[static_cast<int>(v)].was_dropped = true;
  let_leader_go(arena_.control(), root());
  report_.write("dropped", {{"version", name(v)}, {"reason", reason}});
}

void Monitor::drop_follower_of(uint32_t process, Version v, const char* reason) {
  Process& p = arena_.control().processes[process];
  if (&p == &root()) return drop_root_follower(v, reason);
  const pid_t pid = p.real_pid[static_cast<int>(v)];
  let_leader_go(arena_.control(), p);
  report_.write("dropped", {{"version", name(v)}, {"pid", pid}, {"reason", reason}});
  if (pid > 1 && !crashes_.looks_at(pid)) signal_own(pid, SIGKILL);
}

void Monitor::on_trace_stop(pid_t pid, int status) {
  auto it = traced_.find(pid);
  int sig = WSTOPSIG(status);
  bool at_exec = status >> 8 == (SIGTRAP | (PTRACE_EVENT_EXEC << 8));
  unsigned long former =
      0;  // a thread that calls execve becomes the process's first one, and changes its id
  if (at_exec && it == traced_.end() && ptrace(PTRACE_GETEVENTMSG, pid, 0, &former) == 0)
    it = traced_.find(static_cast<pid_t>(former));
  if (it == traced_.end() || !at_exec) {
    bool event = status >> 16;
    ptrace(PTRACE_CONT, pid, 0, event || sig == SIGTRAP ? 0 : sig);
    return;
  }
  Traced t = it->second;
  traced_.erase(it);
  answer_exec(arena_.control(), t.process, t.version, ExecState::kIdle);
  std::string why = inject(arena_, {pid, t.process, t.version, false});
  if (!why.empty()) {
    report_.write(
        "note",
        {{"version", name(t.version)}, {"pid", pid}, {"reason", "no agent after execve: " + why}});
    kill(pid, SIGKILL);
    ptrace(PTRACE_DETACH, pid, 0, 0);
  }
}

void Monitor::attach_for_exec(const Message& m) {
  auto pid = static_cast<pid_t>(m.number[0]);
  bool ok = is_own_process(pid) && ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEEXEC) == 0;
  if (ok)
    traced_[pid] = {m.process, m.version};
  else
    report_.write("note",
                  {{"version", name(m.version)},
                   {"pid", pid},
                   {"reason", std::string("cannot be traced at execve: ") + strerror(errno)}});
  answer_exec(arena_.control(), m.process, m.version,
              ok ? ExecState::kAttached : ExecState::kRefused);
}

void Monitor::detach_after_exec(const Message& m) {
  auto pid = static_cast<pid_t>(m.number[0]);
  traced_.erase(pid);
  int status;
  if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0 && waitpid(pid, &status, __WALL) == pid &&
      WIFSTOPPED(status)) {
    int sig = status >> 16 ? 0 : WSTOPSIG(status);
    ptrace(PTRACE_DETACH, pid, 0, sig == SIGTRAP ? 0 : sig);
  }
  answer_exec(arena_.control(), m.process, m.version, ExecState::kIdle);
}

void Monitor::forward_signal(int sig, int code, pid_t sender) {
  // From the terminal: the leader's process group has got it as well.
  // (In a container the program has a session of its own, and may signal its "pid 1".)
  Process& p = root();
  bool own = code == SI_KERNEL || sender == p.real_pid[0] || sender == p.real_pid[1];
  if (own && !options_.container) return;
  int target = p.real_pid[static_cast<int>(leader())];
  signal_own(target, sig);
}

void Monitor::kill_version(Version v) {
  for (Process& p : processes_taken(arena_.control())) {
    int i = static_cast<int>(v);
    auto state = static_cast<PairState>(p.state.load());
    bool follows = p.leader.load() != static_cast<uint32_t>(v);
    if (state == PairState::kFree || state == PairState::kEnded || !p.alive[i].load() || !follows)
      continue;
    let_leader_go(arena_.control(), p);  // its end is no crash
    signal_own(p.real_pid[i], SIGKILL);
  }
}

// Followers whose program has ended have nothing left to follow.
void Monitor::kill_followers() {
  for (Process& p : processes_taken(arena_.control())) {
    uint32_t v = 1 - (p.leader.load() & 1);
    auto state = static_cast<PairState>(p.state.load());
    if (&p == &root() || state == PairState::kFree || p.real_pid[v] <= 1 || !p.alive[v].load())
      continue;
    if (p.alive[1 - v].load() && signal_own(p.real_pid[1 - v], 0) == 0) continue;
    signal_own(p.real_pid[v], SIGKILL);
  }
}

// A keeper whose leader was killed, or ended with nobody to take over, holds its descriptors.
void Monitor::kill_keepers() {
  for (Process& p : processes_taken(arena_.control())) {
    if (p.keeper_pid <= 1 && p.spare_keeper <= 1) continue;
    const bool to_come = awaits_follower(p);  // first: it may come meanwhile
    const bool ended = !p.alive[0].load() && !p.alive[1].load();
    if (&p != &root() && (!ended || to_come)) continue;
    for (int32_t* keeper : {&p.keeper_pid, &p.spare_keeper}) {
      signal_own(*keeper, SIGKILL);
      *keeper = 0;
    }
  }
}

int Monitor::exit_code() const {
  int status = roots_[static_cast<int>(final_version_)].status;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// The program has ended; its user shall not wait long for our papers.
void Monitor::await_crash_folders() {
  constexpr double kPatience = 2;
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  for (const double end = seconds() + kPatience; crashes_.busy();) {
    if (seconds() > end) crashes_.end_all();
    crashes_.fill_all();
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) on_child(pid, status);
    if (pid < 0) break;
    const timespec limit{0, 100'000'000};
    if (crashes_.busy()) sigtimedwait(&child, nullptr, &limit);
  }
}

void Monitor::finish() {
  await_crash_folders();
  end_recoveries();
  for (Version v : {Version::kOld, Version::kNew}) {
    Root& r = roots_[static_cast<int>(v)];
    if (r.ended) continue;
    signal_own(r.pid, SIGKILL);
    waitpid(r.pid, nullptr, __WALL);
  }
  Process& p = root();
  kill_keepers();
  // With a container's first process everything in it ends, as it would without mx.
  const bool goes_on = (others_lead() || others_to_come()) && !options_.container;
  if (!goes_on) kill_followers();
  nlohmann::ordered_json fields{{"version", name(final_version_)}, {"status", exit_code()}};
  for (const char* key : {"events", "rewritten_sites", "trapped_sites"}) {
    for (Version v : {Version::kOld, Version::kNew}) {
      int i = static_cast<int>(v);
      uint64_t n = key[0] == 'e'   ? p.event_count[i].load()
                   : key[0] == 'r' ? p.rewritten[i].load()
                                   : p.trapped[i].load();
      fields[key][name(v)] = n;
    }
  }
  for (auto& [nr, count] : refused_)
    report_.write("refused", {{"call", call_name(nr)}, {"count", count}});
  if (goes_on) {
    // The program has left processes behind (a daemon): the monitor stays with them.
    appear();
    release_standard_streams();  // it may have ended before it had grown up
    const pid_t background = fork();
    // Keepers of descriptors end when the monitor is gone.
    if (background >= 0) arena_.control().settings.monitor_pid = background ? background : getpid();
    if (background != 0) _exit(exit_code());
    report_.write("exit", fields);
    wait_for_others();
    state_.reset();
    _exit(0);
  }
  report_.write("exit", fields);
}

}  // namespace mx::monitor
