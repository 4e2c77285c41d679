// sigwaitinfo and sigtimedwait take blocked signals without a handler, with value and sender.
// expect: ok: waited for signals
#include "check.h"

int main(void) {
  sigset_t set;
  siginfo_t info;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGRTMIN + 3);
  CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
  struct timespec none = {0, 0}, short_time = {0, 5000000};
  CHECK_FAILS(sigtimedwait(&set, &info, &none), EAGAIN);
  CHECK_FAILS(sigtimedwait(&set, &info, &short_time), EAGAIN);
  CHECK(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 99}) == 0);
  CHECK(sigwaitinfo(&set, &info) == SIGRTMIN + 3);
  CHECK(info.si_code == SI_QUEUE && info.si_value.sival_int == 99 && info.si_pid == getpid());
  pid_t parent = getpid(), child = fork();
  if (child == 0) _exit(kill(parent, SIGUSR1) == 0 ? 0 : 1);
  CHECK(sigwaitinfo(&set, &info) == SIGUSR1 && info.si_pid == child && info.si_code == SI_USER);
  CHECK(wait_for(child) == 0);
  int signal;
  CHECK(raise(SIGUSR1) == 0 && sigwait(&set, &signal) == 0 && signal == SIGUSR1);
  puts("ok: waited for signals");
}
