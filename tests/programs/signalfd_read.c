// Blocked signals are read from a signalfd with their sender and value.
// expect: ok: signals read
#include <sys/signalfd.h>

#include "check.h"

int main(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGCHLD);
  CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
  int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  struct signalfd_siginfo info[2];
  CHECK(fd == 3);
  CHECK_FAILS(read(fd, info, sizeof info), EAGAIN);
  CHECK(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 77}) == 0);
  CHECK(read(fd, info, sizeof info) == sizeof info[0] && info[0].ssi_signo == SIGUSR1);
  CHECK(info[0].ssi_pid == (uint32_t)getpid() && info[0].ssi_int == 77);
  CHECK(fcntl(fd, F_SETFL, 0) == 0);
  pid_t child = fork();
  if (child == 0) _exit(6);
  CHECK(read(fd, info, sizeof info) == sizeof info[0] && info[0].ssi_signo == SIGCHLD);
  CHECK(info[0].ssi_pid == (uint32_t)child && info[0].ssi_status == 6 && wait_for(child) == 6);
  CHECK_FAILS(read(fd, info, 10), EINVAL);
  puts("ok: signals read");
}
