// clone3 makes a process with a pidfd, a parent's copy of the pid, and a chosen exit signal.
// report-allows: refused -- clone3 may be refused with ENOSYS, libc then takes clone
// expect: ok: clone3
#include <linux/sched.h>

#include "check.h"

int main(void) {
  int pidfd = -1;
  pid_t parent_copy = 0;
  struct clone_args arguments = {.flags = CLONE_PIDFD | CLONE_PARENT_SETTID,
                                 .pidfd = (uintptr_t)&pidfd,
                                 .parent_tid = (uintptr_t)&parent_copy,
                                 .exit_signal = SIGCHLD};
  long child = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child == -1 && errno == ENOSYS) {  // allowed: libc falls back to clone
    puts("ok: clone3");
    return 0;
  }
  if (child == 0) _exit(21);
  CHECK(child > 0 && parent_copy == child && pidfd == 3);
  siginfo_t info;
  CHECK(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) == 0);
  CHECK(info.si_pid == child && info.si_status == 21);
  arguments.flags = CLONE_SIGHAND;
  CHECK_FAILS(syscall(SYS_clone3, &arguments, sizeof arguments), EINVAL);
  CHECK_FAILS(syscall(SYS_clone3, &arguments, 8), EINVAL);
  puts("ok: clone3");
}
