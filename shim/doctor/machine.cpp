#include "shim/doctor/machine.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <fstream>

#include "shim/doctor/probe.h"
#include "shim/monitor/pace.h"

namespace mx::doctor {

namespace {

constexpr char kMayTrace[] =
    "in a container give it CAP_SYS_PTRACE (docker run --cap-add SYS_PTRACE), no --privileged; on "
    "a host look at "
    "kernel.yama.ptrace_scope (0 or 1 will do)";

Finding finding(const char* name, int error, const std::string& good, const std::string& bad,
                const std::string& remedy) {
  if (error == 0) return {name, State::kOk, good, ""};
  return {name, State::kFailed, bad + ": " + std::strerror(error), remedy};
}

volatile sig_atomic_t trapped;

// A filter that traps getppid(2), as the one of a version traps what is not the agent's.
int trap_one_call(void*) {
  struct sigaction action {};
  action.sa_handler = [](int) { trapped = 1; };
  sigaction(SIGSYS, &action, nullptr);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{sizeof code / sizeof code[0], code};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) return errno;
  syscall(SYS_getppid);
  return trapped ? 0 : ENOSYS;
}

int be_traced(void*) { return ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 ? 0 : errno; }

// The address is the same in a child.
int read_memory(void* target) {
  char byte = 0;
  iovec local{&byte, 1}, remote{const_cast<char*>(kMayTrace), 1};
  const pid_t pid = static_cast<Target*>(target)->pid();
  return process_vm_readv(pid, &local, 1, &remote, 1, 0) == 1 ? 0 : errno;
}

// As a survivor takes them from the process that keeps them: its sibling.
int take_descriptor(void* target) {
  const long pidfd = syscall(SYS_pidfd_open, static_cast<Target*>(target)->pid(), 0);
  if (pidfd < 0) return errno;
  return syscall(SYS_pidfd_getfd, pidfd, STDERR_FILENO, 0) >= 0 ? 0 : errno;
}

int map_code(void*) {
  const int fd = memfd_create("mx-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0 || ftruncate(fd, 4096) != 0) return errno;
  return mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0) == MAP_FAILED ? errno : 0;
}

Finding processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  if (n > 1) return {"processors", State::kOk, std::to_string(n) + " for both versions", ""};
  return {"processors", State::kNote, "one for both versions: what computes takes twice as long",
          "give it a second one"};
}

Finding pace() {
  if (monitor::may_set_pace())
    return {"scheduling", State::kOk,
            "the follower gives way to the leader, and is hurried when it falls behind", ""};
  return {"scheduling", State::kNote,
          "the follower takes as much of a processor as the leader (no CAP_SYS_NICE, or not in the "
          "first user namespace)",
          "with CAP_SYS_NICE it gives way to the leader"};
}

Finding proc() {
  std::ifstream maps("/proc/self/maps");
  return finding("/proc", maps.good() ? 0 : ENOENT, "mounted", "/proc/self/maps cannot be read",
                 "mount proc there");
}

}  // namespace

std::vector<Finding> examine_machine() {
  Target target;
  return {
      proc(),
      finding("seccomp", try_in_child(trap_one_call, nullptr), "system calls can be intercepted",
              "a system call cannot be intercepted (seccomp, SECCOMP_RET_TRAP)",
              "is this a sandbox that forbids seccomp filters?"),
      finding("memory", try_in_child(map_code, nullptr), "the agent's code can be mapped",
              "code in a memfd cannot be mapped",
              "look at vm.memfd_noexec (0 or 1 will do), or at the sandbox"),
      finding("ptrace", try_in_child(be_traced, nullptr), "the agent can be put into programs",
              "a child cannot be traced", kMayTrace),
      finding("process_vm_readv", try_in_child(read_memory, &target),
              "memory of the versions can be read", "another process' memory cannot be read",
              kMayTrace),
      finding("pidfd_getfd", try_in_child(take_descriptor, &target),
              "a survivor can take over descriptors",
              "another process' descriptors cannot be taken over, which a survivor must",
              kMayTrace),
      processors(),
      pace(),
  };
}

}  // namespace mx::doctor
