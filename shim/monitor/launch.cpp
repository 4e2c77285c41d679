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

#include <array>
#include <utility>

#include "shim/monitor/events.h"
#include "shim/monitor/filter.h"
#include "shim/monitor/gate.h"
#include "shim/monitor/inject.h"

namespace mx::monitor {

using namespace stream;

namespace {

// What the child tells when it cannot become the program.
struct Failure {
  int step;  // index into kSteps; from kIdentity on a start::Step
  int error;
};
constexpr const char* kSteps[] = {"chroot", "reserve a descriptor", "install the seccomp filter",
                                  "map the start-up code", "execute"};
constexpr int kIdentity = 100;

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
  if (dup2(fd, number) < 0) fail(1);
  setrlimit(RLIMIT_NOFILE, &limit);
}

// The follower's shared descriptors are the leader's: it has none of its own.
void close_follower_streams(int reserved, int failed) {
  for (int fd = 0; fd < 3; fd++)
    if (fd != failed) close(fd);
  syscall(SYS_close_range, 3, reserved - 1, CLOSE_RANGE_CLOEXEC);
  syscall(SYS_close_range, reserved + 1, ~0u, 0);
}

// In the child: tells the monitor which step failed, by errno, and ends.
[[noreturn]] void give_up(int failed, int step) {
  Failure f{step, errno};
  (void)!write(failed, &f, sizeof f);
  _exit(125);
}

void await_go(int go) {
  char byte;
  while (read(go, &byte, 1) < 0 && errno == EINTR) {
  }
}

// In the child, until execve. Never returns.
[[noreturn]] void become(const Arena& arena, const VersionSpec& spec, bool follower, int go, int failed) {
  auto fail = [failed](int step) { give_up(failed, step); };
  const auto& s = arena.control().settings;
  await_go(go);
  if (!spec.root.empty() && spec.root != "/" && (chroot(spec.root.c_str()) != 0 || chdir("/") != 0)) fail(0);
  reserve_descriptor(arena.fd(), static_cast<int>(s.reserved_fd), fail);
  if (follower) {
    setsid();  // what the terminal sends goes to the leader only
    close_follower_streams(static_cast<int>(s.reserved_fd), failed);
  }
  Gate gate;
  if (!gate.map()) fail(3);
  auto argv = pointers(spec.argv);
  if (int e = install_filter(s.cookie)) {
    errno = e;
    fail(2);
  }
  long ret = gate.call(SYS_execve, reinterpret_cast<long>(spec.program.c_str()),
                       reinterpret_cast<long>(argv.data()), reinterpret_cast<long>(environ));
  Failure f{4, static_cast<int>(-ret)};
  gate.call(SYS_write, failed, reinterpret_cast<long>(&f), sizeof f);
  gate.call(SYS_exit_group, 125);
  __builtin_unreachable();
}

// A container's program is the leader of a session, with the terminal as its own if it has one.
// (As the container's first process it would be; here the monitor is that, and has let go of it.)
void open_session(bool terminal) {
  setsid();
  if (terminal) ioctl(0, TIOCSCTTY, 0);
}

struct IdentityContext {
  const Gate& gate;
  uint64_t cookie;
};

// In the child of a container's monitor, until execve. Never returns.
[[noreturn]] void become_identity(const Arena& arena, const VersionSpec& spec, bool follower, int go, int failed) {
  auto fail = [failed](int step) { give_up(failed, step); };
  const auto& s = arena.control().settings;
  await_go(go);
  open_session(spec.terminal && !follower);
  reserve_descriptor(arena.fd(), static_cast<int>(s.reserved_fd), fail);
  if (follower) close_follower_streams(static_cast<int>(s.reserved_fd), failed);
  Gate gate;
  if (!gate.map()) fail(3);
  IdentityContext context{gate, s.cookie};
  start::Hooks hooks;
  hooks.context = &context;
  hooks.keep = {static_cast<int>(s.reserved_fd), failed};
  hooks.monitor_filter = [](void* p) {
    auto* c = static_cast<IdentityContext*>(p);
    const int error = c->gate.carry_trapped_calls();
    return error != 0 ? error : install_filter(c->cookie);
  };
  hooks.execute = [](void* p, const char* program, char* const* argv, char* const* envp) {
    return static_cast<int>(-static_cast<IdentityContext*>(p)->gate.call(
        SYS_execve, reinterpret_cast<long>(program), reinterpret_cast<long>(argv), reinterpret_cast<long>(envp)));
  };
  const start::StartError error = start::apply_identity(*spec.identity, hooks);
  Failure f{kIdentity + static_cast<int>(error.step), error.error};
  gate.call(SYS_write, failed, reinterpret_cast<long>(&f), sizeof f);
  gate.call(SYS_exit_group, 125);
  __builtin_unreachable();
}

[[noreturn]] void explain(const VersionSpec& spec, const Failure& f) {
  if (f.step >= kIdentity) {
    const start::StartError error{static_cast<start::Step>(f.step - kIdentity), f.error};
    throw Error(std::string(start::name_of(error.step)) + " (" + spec.program + "): " + std::strerror(f.error),
                start::exit_status_for(error));
  }
  if (f.step == 4) {
    std::string what = "cannot execute " + spec.program + ": " + std::strerror(f.error);
    if (f.error == ENOENT) what += " (the file, or the loader it names, is missing)";
    throw Error(what, f.error == ENOENT ? 127 : 126);
  }
  std::string what = std::string("cannot ") + kSteps[f.step] + ": " + std::strerror(f.error);
  if (f.step == 0) what += " (" + spec.root + ")";
  if (f.step == 2) what += " (mx needs seccomp filters: is it run inside a sandbox that forbids them?)";
  throw Error(what);
}

struct Pipe {
  std::array<int, 2> fd{-1, -1};
  Pipe() {
    if (pipe2(fd.data(), O_CLOEXEC) != 0) throw system_error("pipe");
    // High numbers: a follower closes the low ones before it reports.
    for (int& f : fd) {
      int high = fcntl(f, F_DUPFD_CLOEXEC, 10);
      if (high >= 0) close(f), f = high;
    }
  }
  ~Pipe() {
    for (int f : fd)
      if (f >= 0) close(f);
  }
  void close_end(int i) { close(fd[i]), fd[i] = -1; }
};

// Waits for the exec stop; signals that arrive before are passed on.
bool reach_exec(pid_t pid) {
  for (;;) {
    int status;
    if (waitpid(pid, &status, __WALL) != pid) return false;
    if (!WIFSTOPPED(status)) return false;
    if (status >> 8 == (SIGTRAP | (PTRACE_EVENT_EXEC << 8))) return true;
    int sig = WSTOPSIG(status);
    ptrace(PTRACE_CONT, pid, 0, sig == SIGTRAP ? 0 : sig);
  }
}

}  // namespace

Departure::Departure(const Arena& arena, VersionSpec spec, uint32_t process, Version version, bool follower)
    : arena_(arena), spec_(std::move(spec)), process_(process), version_(version) {
  Pipe go, failed;
  pid_ = fork();
  if (pid_ < 0) throw system_error("fork");
  if (pid_ == 0) {
    // The agent gives the program its mask; until then the kernel keeps what arrives.
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    if (spec_.identity != nullptr) become_identity(arena, spec_, follower, go.fd[0], failed.fd[1]);
    become(arena, spec_, follower, go.fd[0], failed.fd[1]);
  }
  if (ptrace(PTRACE_SEIZE, pid_, 0, PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD) != 0) {
    int e = errno;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, __WALL);
    errno = e;
    throw system_error(
        "mx may not trace its own child (ptrace); in a container it needs CAP_SYS_PTRACE or a seccomp "
        "profile that allows ptrace");
  }
  Process& p = arena.control().processes[process];
  static_assert(sizeof p.exec_vmask[0] <= sizeof(sigset_t));
  std::memcpy(&p.exec_vmask[static_cast<int>(version)], &original_mask(), sizeof p.exec_vmask[0]);
  p.real_pid[static_cast<int>(version)] = pid_;
  p.alive[static_cast<int>(version)].store(1);
  if (!follower) p.vpid = pid_;
  failed_ = std::exchange(failed.fd[0], -1);
  (void)!write(go.fd[1], "g", 1);
}

Departure::~Departure() {
  if (failed_ >= 0) close(failed_);
  if (runs_ || pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, __WALL);
}

void Departure::finish() {
  if (!reach_exec(pid_)) {
    pid_ = -1;
    Failure f;
    if (read(failed_, &f, sizeof f) == sizeof f) explain(spec_, f);
    throw Error("the process ended before it could execute " + spec_.program);
  }
  std::string why = inject(arena_, {pid_, process_, version_, true});
  if (!why.empty()) throw Error("cannot put the agent into " + spec_.program + ": " + why);
  runs_ = true;
}

}  // namespace mx::monitor
