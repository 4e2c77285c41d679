// System calls made by the agent itself, and the kernel's structures it needs. The agent has no
// libc: everything here is inline. The seccomp filter lets these through because their instruction
// pointer lies inside the agent.
#pragma once
#include <asm/unistd.h>

#include <cstddef>
#include <cstdint>

namespace mx::agent {

// futex(2): what of `op` says which command, and two of them.
inline constexpr uint64_t kFutexCommand = 0x7f, kFutexWait = 0, kFutexWaitBitset = 9;

inline long raw6(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  long ret;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(ret)
               : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return ret;
}

template <typename T>
inline long arg(T v) {
  if constexpr (requires { reinterpret_cast<long>(v); }) {
    return reinterpret_cast<long>(v);
  } else {
    return static_cast<long>(v);
  }
}

/// sys(__NR_x, args…): pointers and integers alike.
template <typename... A>
inline long sys(long nr, A... a) {
  return raw6(nr, arg(a)...);
}

inline constexpr int kDupfdCloexec = 1030;  ///< F_DUPFD_CLOEXEC of fcntl(2)

inline constexpr long kEintr = -4, kEagain = -11, kEfault = -14, kEinval = -22, kEnosys = -38,
                      kEbadf = -9, kEnomem = -12, kEsrch = -3, kEchild = -10, kEperm = -1,
                      kEnoent = -2, kEexist = -17, kEtimedout = -110;
inline constexpr long kKeptOut =
    -512;  ///< of mx_blocking: it has not entered the kernel (ERESTARTSYS, which no call returns)
inline bool is_error(long r) { return r < 0 && r >= -4095; }

struct KernelSigaction {
  uint64_t handler;
  uint64_t flags;
  uint64_t restorer;
  uint64_t mask;
};
struct KernelStack {
  uint64_t sp;
  int32_t flags;
  int32_t pad;
  uint64_t size;
};
struct KernelTimespec {
  int64_t sec;
  int64_t nsec;
};
struct SchedAttr {  // struct sched_attr of sched_setattr(2)
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};
struct Iovec {
  uint64_t base;
  uint64_t len;
};
struct Msghdr {
  uint64_t name;
  uint32_t namelen;
  uint32_t pad;
  uint64_t iov;
  uint64_t iovlen;
  uint64_t control;
  uint64_t controllen;
  uint32_t flags;
  uint32_t pad2;
};
struct Mmsghdr {
  Msghdr hdr;
  uint32_t len;
  uint32_t pad;
};
struct __attribute__((packed)) EpollEvent {
  uint32_t events;
  uint64_t data;
};

// struct rt_sigframe as arch/x86/kernel/signal_64.c lays it out.
struct Mcontext {
  uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip,
      eflags;
  uint16_t cs, gs, fs, ss;
  uint64_t err, trapno, oldmask, cr2;
  uint64_t fpstate;
  uint64_t reserved[8];
};
struct Ucontext {
  uint64_t flags;
  uint64_t link;
  KernelStack stack;
  Mcontext mc;
  uint64_t sigmask;
};
struct Siginfo {
  int32_t signo;
  int32_t err;
  int32_t code;
  int32_t pad;
  union {
    uint8_t raw[112];
    struct {
      uint64_t call_addr;
      int32_t syscall;
      uint32_t arch;
    } sys;
    struct {
      uint64_t addr;
    } fault;
    struct {
      int32_t pid;
      uint32_t uid;
      int32_t status;
    } child;
    struct {
      int32_t pid;
      uint32_t uid;
      uint64_t value;
    } queue;
    struct {
      int32_t timer;
      int32_t overrun;
      uint64_t value;
    } timer;
  };
};
static_assert(sizeof(Siginfo) == 128);

inline constexpr uint64_t kSaSiginfo = 4, kSaOnstack = 0x08000000, kSaRestart = 0x10000000,
                          kSaNodefer = 0x40000000, kSaResethand = 0x80000000u,
                          kSaRestorer = 0x04000000, kSaNocldstop = 1, kSaNocldwait = 2;
inline constexpr uint64_t kSigDfl = 0, kSigIgn = 1;
constexpr uint64_t bit(int sig) { return uint64_t{1} << (sig - 1); }

}  // namespace mx::agent
