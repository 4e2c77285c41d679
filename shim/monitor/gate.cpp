#include "shim/monitor/gate.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "shim/stream/layout.h"

namespace mx::monitor {

namespace {

// mov %rdi,%rax; mov %rsi,%rdi; mov %rdx,%rsi; mov %rcx,%rdx; mov %r8,%r10; mov %r9,%r8;
// mov 8(%rsp),%r9; syscall; ret
constexpr uint8_t kEnter[] = {0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6,
                              0x48, 0x89, 0xca, 0x4d, 0x89, 0xc2, 0x4d, 0x89, 0xc8,
                              0x4c, 0x8b, 0x4c, 0x24, 0x08, 0x0f, 0x05, 0xc3};
// mov $15,%eax; syscall: a signal handler's return must pass the filter as well.
constexpr uint8_t kReturn[] = {0xb8, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
constexpr size_t kReturnAt = 64;

struct KernelSigaction {
  void (*handler)(int, siginfo_t*, void*);
  unsigned long flags;
  void* restorer;
  unsigned long mask;
};
constexpr unsigned long kRestorer = 0x04000000;

const Gate* carrier = nullptr;

void on_sigsys(int, siginfo_t* info, void* context) {
  greg_t* r = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  r[REG_RAX] = carrier->call(info->si_syscall, r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10],
                             r[REG_R8], r[REG_R9]);
}

}  // namespace

bool Gate::map() {
  void* p = mmap(reinterpret_cast<void*>(stream::kTextAddress), stream::kPage,
                 PROT_READ | PROT_WRITE | PROT_EXEC,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (p == MAP_FAILED) return false;
  std::memcpy(p, kEnter, sizeof kEnter);
  std::memcpy(static_cast<uint8_t*>(p) + kReturnAt, kReturn, sizeof kReturn);
  enter_ = reinterpret_cast<decltype(enter_)>(p);
  return true;
}

int Gate::carry_trapped_calls() const {
  carrier = this;
  KernelSigaction action{on_sigsys, SA_SIGINFO | SA_NODEFER | kRestorer,
                         reinterpret_cast<void*>(stream::kTextAddress + kReturnAt), 0};
  // The C library would insist on its own restorer, whose system call is outside the gate.
  if (syscall(SYS_rt_sigaction, SIGSYS, &action, nullptr, 8) != 0) return errno;
  sigset_t sigsys;
  sigemptyset(&sigsys);
  sigaddset(&sigsys, SIGSYS);
  return sigprocmask(SIG_UNBLOCK, &sigsys, nullptr) == 0 ? 0 : errno;
}

}  // namespace mx::monitor
