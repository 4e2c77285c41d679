#include "recovery/target.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <vector>

namespace mx::recovery {
namespace {

constexpr uint64_t kRedZone = 128;
constexpr size_t kMostVectorState = 16384;
constexpr int kMostStops = 16;

/// Everything that a call in the thread may change.
class SavedThread {
 public:
  explicit SavedThread(pid_t tid) : tid_(tid), vectors_(kMostVectorState) {
    iovec io{vectors_.data(), vectors_.size()};
    good_ = ptrace(PTRACE_GETREGS, tid, 0, &registers) == 0 &&
            ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &io) == 0;
    vectors_.resize(good_ ? io.iov_len : 0);
  }
  ~SavedThread() {
    if (!good_) return;
    iovec io{vectors_.data(), vectors_.size()};
    ptrace(PTRACE_SETREGSET, tid_, NT_X86_XSTATE, &io);
    ptrace(PTRACE_SETREGS, tid_, 0, &registers);
  }
  SavedThread(const SavedThread&) = delete;
  SavedThread& operator=(const SavedThread&) = delete;
  bool good() const { return good_; }
  user_regs_struct registers{};

 private:
  pid_t tid_;
  std::vector<uint8_t> vectors_;
  bool good_;
};

}  // namespace

bool wait_for_stop(pid_t tid, int* signal) {
  siginfo_t info{};
  int got;
  do {
    got = waitid(P_PID, static_cast<id_t>(tid), &info, WSTOPPED | WEXITED | WNOWAIT | __WALL);
  } while (got < 0 && errno == EINTR);
  if (got != 0 || (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED)) return false;
  int status;
  if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status)) return false;
  if (signal) *signal = status >> 16 ? 0 : WSTOPSIG(status);
  return true;
}

bool Target::read(uint64_t at, void* to, size_t size) const {
  iovec local{to, size}, remote{reinterpret_cast<void*>(at), size};
  return process_vm_readv(pid(), &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size);
}

bool Target::write(uint64_t at, const void* from, size_t size) {
  int fd = open(("/proc/" + std::to_string(pid()) + "/mem").c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  auto* bytes = static_cast<const uint8_t*>(from);
  size_t done = 0;
  while (done < size) {
    ssize_t n = pwrite(fd, bytes + done, size - done, static_cast<off_t>(at + done));
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  close(fd);
  return done == size;
}

PtraceTarget::PtraceTarget(pid_t pid, pid_t tid, uint64_t syscall_instruction, uint64_t cookie,
                           uint64_t scratch_stack)
    : pid_(pid), tid_(tid), syscall_(syscall_instruction), cookie_(cookie), stack_(scratch_stack) {}

bool PtraceTarget::system_call(long number, const uint64_t (&a)[6], uint64_t& result) {
  SavedThread saved(tid_);
  if (!saved.good()) return false;
  user_regs_struct r = saved.registers;
  r.rip = syscall_;
  r.rax = static_cast<uint64_t>(number);
  r.orig_rax = ~0ull;  // the kernel must not restart anything
  r.rdi = a[0], r.rsi = a[1], r.rdx = a[2], r.r10 = a[3], r.r8 = a[4],
  r.r9 = cookie_ ? cookie_ : a[5];
  if (ptrace(PTRACE_SETREGS, tid_, 0, &r) != 0) return false;
  // A signal that arrives meanwhile stops the thread before the instruction: it is left for later
  // by stepping again.
  for (int stop = 0; stop < kMostStops; ++stop) {
    int signal;
    if (ptrace(PTRACE_SINGLESTEP, tid_, 0, 0) != 0 || !wait_for_stop(tid_, &signal)) return false;
    if (ptrace(PTRACE_GETREGS, tid_, 0, &r) != 0) return false;
    if (r.rip == syscall_ + 2) {
      result = r.rax;
      return signal == SIGTRAP || signal == 0;
    }
    if (signal != SIGTRAP && signal != 0) kill_later_ |= uint64_t{1} << signal;
  }
  return false;
}

bool PtraceTarget::function_call(uint64_t function, uint64_t first, uint64_t second) {
  SavedThread saved(tid_);
  if (!saved.good()) return false;
  user_regs_struct r = saved.registers;
  // Returns to address 0, which nothing can map: the fault there is the end of the call.
  uint64_t top = ((stack_ ? stack_ : r.rsp - kRedZone) & ~uint64_t{15}) - 8;
  uint64_t nowhere = 0;
  if (!write(top, &nowhere, sizeof nowhere)) return false;
  r.rsp = top;
  r.rip = function;
  r.rdi = first, r.rsi = second;
  r.rax = 0;
  r.orig_rax = ~0ull;
  r.eflags &= ~uint64_t{0x400};  // direction flag
  if (ptrace(PTRACE_SETREGS, tid_, 0, &r) != 0) return false;
  for (int stop = 0; stop < kMostStops; ++stop) {
    int signal;
    if (ptrace(PTRACE_CONT, tid_, 0, 0) != 0 || !wait_for_stop(tid_, &signal)) return false;
    if (signal == SIGSEGV) return ptrace(PTRACE_GETREGS, tid_, 0, &r) == 0 && r.rip == 0;
    if (signal == SIGSYS || signal == SIGTRAP || signal == SIGILL || signal == SIGBUS ||
        signal == SIGFPE || signal == SIGABRT)
      return false;
    if (signal != 0) kill_later_ |= uint64_t{1} << signal;
  }
  return false;
}

PtraceTarget::~PtraceTarget() {
  for (int signal = 1; signal < 64; ++signal)
    if (kill_later_ >> signal & 1) kill(pid_, signal);
}

}  // namespace mx::recovery
