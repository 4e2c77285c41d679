#include "shim/monitor/launch.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "shim/monitor/events.h"
#include "shim/monitor/filter.h"
#include "shim/monitor/gate.h"
#include "shim/monitor/inject.h"

namespace mx::monitor {

using namespace stream;

namespace {

constexpr const char* kSteps[] = {
    "", "chroot", "reserve a descriptor", "install the seccomp filter", "be traced", "execute"};
enum Step {
  kNone,
  kRoot,
  kReserve,
  kFilter,
  kTrace,
  kExecute,
  kIdentity = 100 /* and more: a start::Step */
};

std::vector<char*> pointers(const std::vector<std::string>& v) {
  std::vector<char*> out;
  for (auto& s : v) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

// The number may lie above the soft limit, where the program does not meet it.
template <typename F>
void reserve_descriptor(int fd, int number, F&& fail) {
  rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  rlimit raised = limit;
  if (raised.rlim_cur <= static_cast<rlim_t>(number)) raised.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &raised);
  if (dup2(fd, number) < 0) fail(kReserve);
  setrlimit(RLIMIT_NOFILE, &limit);
}

// The follower's shared descriptors are the leader's: it has none of its own.
void close_follower_streams(int reserved) {
  for (int fd = 0; fd < 3; fd++) close(fd);
  syscall(SYS_close_range, 3, reserved - 1, CLOSE_RANGE_CLOEXEC);
  syscall(SYS_close_range, reserved + 1, ~0u, 0);
}

// What the child needs; it shares the monitor's memory
// until execve, and tells there what went wrong.
struct Child {
  const Arena& arena;
  const VersionSpec& spec;
  const bool follower;
  const Gate& gate;
  Departure::Failure& failure;

  const Settings& settings() const { return arena.control().settings; }
  int reserved() const { return static_cast<int>(settings().reserved_fd); }
  [[noreturn]] void give_up(int step, int error) const {
    failure = {step, error};
    gate.call(SYS_exit_group, 125);
    __builtin_unreachable();
  }
  // Stops behind execve, before the first instruction of the program. Tracing begins here and not
  // before: a stop of the child (SIGSTOP) would stop the monitor, which waits for execve, as well.
  int execute(const char* program, char* const* argv, char* const* envp) const {
    if (const long e = gate.call(SYS_ptrace, PTRACE_TRACEME)) give_up(kTrace, static_cast<int>(-e));
    return static_cast<int>(-gate.call(SYS_execve, reinterpret_cast<long>(program),
                                       reinterpret_cast<long>(argv), reinterpret_cast<long>(envp)));
  }
};

// In the child, until execve. Never returns.
[[noreturn]] void become(const Child& c, char* const* argv) {
  auto fail = [&c](int step) { c.give_up(step, errno); };
  const std::string& root = c.spec.root;
  if (!root.empty() && root != "/" && (chroot(root.c_str()) != 0 || chdir("/") != 0)) fail(kRoot);
  reserve_descriptor(c.arena.fd(), c.reserved(), fail);
  if (c.follower) {
    setsid();  // what the terminal sends goes to the leader only
    close_follower_streams(c.reserved());
  }
  if (const int e = install_filter(c.settings().cookie)) c.give_up(kFilter, e);
  c.give_up(kExecute, c.execute(c.spec.program.c_str(), argv, environ));
}

// A container's program is the leader of a session, with the terminal as its own if it has one.
// (As the container's first process it would be; here the monitor is that, and has let go of it.)
void open_session(bool terminal) {
  setsid();
  if (terminal) ioctl(0, TIOCSCTTY, 0);
}

// In the child of a container's monitor, until execve. Never returns.
[[noreturn]] void become_identity(const Child& c) {
  open_session(c.spec.terminal && !c.follower);
  reserve_descriptor(c.arena.fd(), c.reserved(), [&c](int step) { c.give_up(step, errno); });
  if (c.follower) close_follower_streams(c.reserved());
  start::Hooks hooks;
  hooks.context = const_cast<Child*>(&c);
  hooks.keep = {c.reserved()};
  hooks.monitor_filter = [](void* p) {
    auto* c = static_cast<const Child*>(p);
    const int error = c->gate.carry_trapped_calls();
    return error != 0 ? error : install_filter(c->settings().cookie);
  };
  hooks.execute = [](void* p, const char* program, char* const* argv, char* const* envp) {
    return static_cast<const Child*>(p)->execute(program, argv, envp);
  };
  const start::StartError error = start::apply_identity(*c.spec.identity, hooks);
  c.give_up(kIdentity + static_cast<int>(error.step), error.error);
}

[[noreturn]] void explain(const VersionSpec& spec, const Departure::Failure& f) {
  if (f.step >= kIdentity) {
    const start::StartError error{static_cast<start::Step>(f.step - kIdentity), f.error};
    throw Error(std::string(start::name_of(error.step)) + " (" + spec.program +
                    "): " + std::strerror(f.error),
                start::exit_status_for(error));
  }
  if (f.step == kExecute) {
    std::string what = "cannot execute " + spec.program + ": " + std::strerror(f.error);
    if (f.error == ENOENT) what += " (the file, or the loader it names, is missing)";
    throw Error(what, f.error == ENOENT ? 127 : 126);
  }
  std::string what = std::string("cannot ") + kSteps[f.step] + ": " + std::strerror(f.error);
  if (f.step == kRoot) what += " (" + spec.root + ")";
  if (f.step == kFilter)
    what += " (mx needs seccomp filters: is it run inside a sandbox that forbids them?)";
  if (f.step == kTrace)
    what = "mx may not trace its own child (ptrace): " + std::string(std::strerror(f.error)) +
           "; in a container it needs CAP_SYS_PTRACE or a seccomp profile that allows ptrace";
  throw Error(what);
}

// The highest number that execve leaves open: what the program gets from who started mx.
uint32_t highest_inherited() {
  int highest = STDERR_FILENO;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const int fd = std::atoi(entry.path().filename().c_str());
    const int flags = fcntl(fd, F_GETFD);
    if (flags >= 0 && !(flags & FD_CLOEXEC)) highest = std::max(highest, fd);
  }
  return static_cast<uint32_t>(highest);
}

// Waits for the stop behind execve; signals that arrive before are passed on.
bool reach_exec(pid_t pid) {
  for (;;) {
    int status;
    if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status)) return false;
    if (WSTOPSIG(status) == SIGTRAP) return true;
    ptrace(PTRACE_CONT, pid, 0, WSTOPSIG(status));
  }
}

}  // namespace

Departure::Departure(const Arena& arena, const Gate& gate, VersionSpec spec, uint32_t process,
                     Version version, bool follower)
    : arena_(arena), spec_(std::move(spec)), process_(process), version_(version) {
  const std::vector<char*> argv = pointers(spec_.argv);
  const Child child{arena, spec_, follower, gate, failure_};
  // Not fork: a copy of the monitor's memory, page by page
  // as both go on, would cost more than all the rest.
  pid_ = vfork();
  if (pid_ < 0) throw system_error("fork");
  if (pid_ == 0) {
    // The agent gives the program its mask; until then the kernel keeps what arrives.
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, SIGTRAP);  // says that execve is done
    sigprocmask(SIG_SETMASK, &all, nullptr);
    if (spec_.identity != nullptr) become_identity(child);
    become(child, argv.data());
  }
  Process& p = arena.control().processes[process];
  static_assert(sizeof p.exec_vmask[0] <= sizeof(sigset_t));
  std::memcpy(&p.exec_vmask[static_cast<int>(version)], &original_mask(), sizeof p.exec_vmask[0]);
  p.real_pid[static_cast<int>(version)] = pid_;
  p.alive[static_cast<int>(version)].store(1);
  Settings& settings = arena.control().settings;
  if (follower) {
    if (spec_.identity == nullptr) settings.apart = pid_;
    return;
  }
  settings.first_group = getpgrp();
  settings.first_session = getsid(0);
  p.vpid = pid_;
  p.max_fd.store(highest_inherited());
}

Departure::~Departure() {
  if (runs_ || pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, __WALL);
}

void Departure::arrive() {
  if (reach_exec(pid_)) return;
  pid_ = -1;
  if (failure_.step != kNone) explain(spec_, failure_);
  throw Error("the process ended before it could execute " + spec_.program);
}

void Departure::finish() {
  arrive();
  std::string why = inject(arena_, {pid_, process_, version_, true});
  if (!why.empty()) throw Error("cannot put the agent into " + spec_.program + ": " + why);
  runs_ = true;
}

}  // namespace mx::monitor
