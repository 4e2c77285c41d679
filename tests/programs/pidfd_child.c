// A pidfd becomes readable when the child ends, sends signals, and is waited for.
// expect: ok: pidfd
#include <poll.h>

#include "check.h"

int main(void) {
  pid_t child = fork();
  if (child == 0)
    for (;;) pause();
  int fd = (int)syscall(SYS_pidfd_open, child, 0);
  CHECK(fd == 3);
  struct pollfd set = {fd, POLLIN, 0};
  CHECK(poll(&set, 1, 0) == 0);
  CHECK(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) == 0);
  CHECK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) == 0);
  CHECK(poll(&set, 1, -1) == 1 && set.revents == POLLIN);
  siginfo_t info;
  CHECK(waitid(P_PIDFD, (id_t)fd, &info, WEXITED) == 0);
  CHECK(info.si_pid == child && info.si_code == CLD_KILLED && info.si_status == SIGTERM);
  CHECK_FAILS(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0), ESRCH);
  CHECK_FAILS(syscall(SYS_pidfd_open, -1, 0), EINVAL);
  puts("ok: pidfd");
}
