#include "shim/monitor/launch.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "shim/monitor/events.h"
#include "shim/monitor/filter.h"
#include "shim/monitor/inject.h"

namespace mx::monitor {

using namespace stream;

namespace {

struct Failure {
  int step;  // index into kSteps
  int error;
};
constexpr const char* kSteps[] = {"chroot", "reserve a descriptor", "install the seccomp filter",
                                  "map the start-up code", "execute"};

using RawCall = long (*)(long nr, long a, long b, long c);

// A `syscall` instruction inside the range the filter allows: for execve and what must follow if it
// fails.  mov %rdi,%rax; mov %rsi,%rdi; mov %rdx,%rsi; mov %rcx,%rdx; syscall; ret
RawCall map_gate() {
  static constexpr uint8_t code[] = {0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6,
                                     0x48, 0x89, 0xca, 0x0f, 0x05, 0xc3};
  void* p = mmap(reinterpret_cast<void*>(kTextAddress), kPage, PROT_READ | PROT_WRITE | PROT_EXEC,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  std::memcpy(p, code, sizeof code);
  return reinterpret_cast<RawCall>(p);
}

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

// In the child, until execve. Never returns.
[[noreturn]] void become(const Arena& arena, const VersionSpec& spec, bool follower, int go, int failed) {
  auto fail = [&](int step) {
    Failure f{step, errno};
    (void)!write(failed, &f, sizeof f);
    _exit(125);
  };
  const auto& s = arena.control().settings;
  char byte;
  while (read(go, &byte, 1) < 0 && errno == EINTR) {
  }
  if (!spec.root.empty() && spec.root != "/" && (chroot(spec.root.c_str()) != 0 || chdir("/") != 0)) fail(0);
  reserve_descriptor(arena.fd(), static_cast<int>(s.reserved_fd), fail);
  if (follower) {
    setsid();  // what the terminal sends goes to the leader only
    for (int fd = 0; fd < 3; fd++)
      if (fd != failed) close(fd);
    syscall(SYS_close_range, 3, s.reserved_fd - 1, CLOSE_RANGE_CLOEXEC);
    syscall(SYS_close_range, s.reserved_fd + 1, ~0u, 0);
  }
  RawCall call = map_gate();
  if (!call) fail(3);
  auto argv = pointers(spec.argv);
  if (int e = install_filter(s.cookie)) {
    errno = e;
    fail(2);
  }
  long ret = call(SYS_execve, reinterpret_cast<long>(spec.program.c_str()),
                  reinterpret_cast<long>(argv.data()), reinterpret_cast<long>(environ));
  Failure f{4, static_cast<int>(-ret)};
  call(SYS_write, failed, reinterpret_cast<long>(&f), sizeof f);
  call(SYS_exit_group, 125, 0, 0);
  __builtin_unreachable();
}

[[noreturn]] void explain(const VersionSpec& spec, const Failure& f) {
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

pid_t launch(const Arena& arena, const VersionSpec& spec, uint32_t process, Version version, bool follower) {
  Pipe go, failed;
  pid_t pid = fork();
  if (pid < 0) throw system_error("fork");
  if (pid == 0) {
    // The agent gives the program its mask; until then the kernel keeps what arrives.
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    become(arena, spec, follower, go.fd[0], failed.fd[1]);
  }
  failed.close_end(1);
  if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD) != 0) {
    int e = errno;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, __WALL);
    errno = e;
    throw system_error(
        "mx may not trace its own child (ptrace); in a container it needs CAP_SYS_PTRACE or a seccomp "
        "profile that allows ptrace");
  }
  Process& p = arena.control().processes[process];
  static_assert(sizeof p.exec_vmask[0] <= sizeof(sigset_t));
  std::memcpy(&p.exec_vmask[static_cast<int>(version)], &original_mask(), sizeof p.exec_vmask[0]);
  p.real_pid[static_cast<int>(version)] = pid;
  p.alive[static_cast<int>(version)].store(1);
  if (!follower) p.vpid = pid;
  (void)!write(go.fd[1], "g", 1);
  if (!reach_exec(pid)) {
    Failure f;
    if (read(failed.fd[0], &f, sizeof f) == sizeof f) explain(spec, f);
    throw Error("the process ended before it could execute " + spec.program);
  }
  std::string why = inject(arena, {pid, process, version, true});
  if (!why.empty()) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, __WALL);
    throw Error("cannot put the agent into " + spec.program + ": " + why);
  }
  return pid;
}

}  // namespace mx::monitor
