// A program's own seccomp filter traps a call, and its own SIGSYS handler gives the result.
// expect: ok: emulated
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <ucontext.h>

#include "check.h"

static volatile int traps;

static void handle(int signal, siginfo_t* info, void* context) {
  ucontext_t* where = context;
  CHECK(signal == SIGSYS && info->si_code == 1);  // SYS_SECCOMP
  CHECK(info->si_syscall == SYS_getpriority && info->si_arch == 0xc000003e);
  where->uc_mcontext.gregs[REG_RAX] = 5000 + ++traps;
}

int main(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {4, code};
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
  CHECK(sigaction(SIGSYS, &action, NULL) == 0);
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
  for (int i = 1; i <= 3; i++) CHECK(syscall(SYS_getpriority, 0, 0) == 5000 + i && traps == i);
  CHECK(syscall(SYS_getpid) == getpid() && traps == 3);
  puts("ok: emulated");
}
