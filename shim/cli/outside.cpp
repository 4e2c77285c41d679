#include "shim/cli/outside.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <map>
#include <thread>

#include "shim/monitor/error.h"
#include "shim/syscalls/format.h"

namespace mx::cli {

namespace {

constexpr size_t kMostBytes = 16 << 20, kMostCalls = 100'000;
constexpr long kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                          PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;

bool opens_for_writing(uint64_t flags) {
  return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
}

// Calls that change files and names, or speak to others. What goes to standard output and error is
// compared as bytes.
bool visible(const user_regs_struct& r) {
  switch (r.orig_rax) {
    case SYS_open:
      return opens_for_writing(r.rsi);
    case SYS_openat:
      return opens_for_writing(r.rdx);
    case SYS_write:
    case SYS_writev:
    case SYS_pwrite64:
    case SYS_pwritev:
    case SYS_pwritev2:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_sendmmsg:
      return r.rdi > 2;
    case SYS_creat:
    case SYS_openat2:
    case SYS_connect:
    case SYS_bind:
    case SYS_listen:
    case SYS_accept:
    case SYS_accept4:
    case SYS_unlink:
    case SYS_unlinkat:
    case SYS_rename:
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_mkdir:
    case SYS_mkdirat:
    case SYS_rmdir:
    case SYS_link:
    case SYS_linkat:
    case SYS_symlink:
    case SYS_symlinkat:
    case SYS_chmod:
    case SYS_fchmod:
    case SYS_fchmodat:
    case SYS_chown:
    case SYS_fchown:
    case SYS_lchown:
    case SYS_fchownat:
    case SYS_truncate:
    case SYS_ftruncate:
    case SYS_mknod:
    case SYS_mknodat:
    case SYS_setxattr:
    case SYS_fsetxattr:
    case SYS_removexattr:
    case SYS_utimensat:
    case SYS_kill:
    case SYS_shutdown:
    case SYS_sendfile:
    case SYS_execve:
      return true;
    default:
      return false;
  }
}

std::string text_of_call(pid_t pid, const user_regs_struct& r) {
  auto read = [pid](uint64_t at, void* to, size_t n) {
    iovec local{to, n}, remote{reinterpret_cast<void*>(at), n};
    return process_vm_readv(pid, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(n);
  };
  const uint64_t args[sys::kMaxArgs] = {r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9};
  return sys::format_call(sys::describe(static_cast<long>(r.orig_rax)), args,
                          static_cast<int64_t>(r.rax), read);
}

// Reads both pipes to their ends, in a thread: the tracer must not wait for them.
void collect(int out, int err, Outside& result) {
  std::array<pollfd, 2> p{{{out, POLLIN, 0}, {err, POLLIN, 0}}};
  char part[65536];
  while (p[0].fd >= 0 || p[1].fd >= 0) {
    poll(p.data(), 2, -1);
    for (int i = 0; i < 2; i++) {
      if (p[i].fd < 0 || !p[i].revents) continue;
      const ssize_t n = read(p[i].fd, part, sizeof part);
      std::string& to = i == 0 ? result.out : result.err;
      if (n > 0 && to.size() < kMostBytes)
        to.append(part, n);
      else if (n > 0)
        result.cut = true;
      if (n <= 0) p[i].fd = -1;
    }
  }
}

[[noreturn]] void become(const std::string& program, const std::string& root,
                         const std::vector<std::string>& args, int out, int err) {
  std::vector<char*> argv;
  for (const std::string& a : args) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
  dup2(out, 1);
  dup2(err, 2);
  const bool inside = root.empty() || root == "/" || (chroot(root.c_str()) == 0 && chdir("/") == 0);
  ptrace(PTRACE_TRACEME, 0, 0, 0);
  raise(SIGSTOP);
  if (inside) execv(program.c_str(), argv.data());
  dprintf(2, "mx: cannot execute %s: %s\n", program.c_str(), strerror(errno));
  _exit(errno == ENOENT ? 127 : 126);
}

// Follows every process of the program to its end.
void trace(pid_t first, Outside& result) {
  std::map<pid_t, bool> inside;  // in a system call
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0;) {
    if (!WIFSTOPPED(status)) {
      inside.erase(pid);
      if (pid == first)
        result.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
      continue;
    }
    int signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80)) {
      bool& in = inside[pid];
      in = !in;
      user_regs_struct r;
      if (!in && ptrace(PTRACE_GETREGS, pid, 0, &r) == 0 && visible(r)) {
        if (result.calls.size() < kMostCalls)
          result.calls.push_back(text_of_call(pid, r));
        else
          result.cut = true;
      }
      signal = 0;
    } else if (status >> 16 || signal == SIGTRAP || (signal == SIGSTOP && !inside.contains(pid))) {
      inside.try_emplace(pid, false);
      signal = 0;  // an event, or a new process's first stop
    }
    ptrace(PTRACE_SYSCALL, pid, 0, signal);
  }
}

}  // namespace

Outside run_alone(const std::string& program, const std::string& root,
                  const std::vector<std::string>& args) {
  Outside result;
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) throw monitor::system_error("pipe");
  const pid_t pid = fork();
  if (pid < 0) throw monitor::system_error("fork");
  if (pid == 0) become(program, root, args, out[1], err[1]);
  close(out[1]);
  close(err[1]);
  std::thread reader(collect, out[0], err[0], std::ref(result));
  int status;
  waitpid(pid, &status, __WALL);
  if (ptrace(PTRACE_SETOPTIONS, pid, 0, kOptions) != 0 || ptrace(PTRACE_SYSCALL, pid, 0, 0) != 0) {
    const auto problem = monitor::system_error("mx may not trace its own child (ptrace)");
    kill(pid, SIGKILL);
    reader.join();
    throw problem;
  }
  trace(pid, result);
  reader.join();
  close(out[0]);
  close(err[0]);
  return result;
}

}  // namespace mx::cli
