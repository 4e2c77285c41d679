// POSIX timers: a signal with a value, repeated; overruns counted; deletion.
// expect: ok: posix timer
#include "check.h"

int main(void) {
  sigset_t set;
  siginfo_t info;
  timer_t timer;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN);
  CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
  struct sigevent event = {
      .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 1234};
  CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
  struct itimerspec every = {{0, 5000000}, {0, 1000000}}, now;
  CHECK(timer_settime(timer, 0, &every, NULL) == 0);
  for (int i = 0; i < 3; i++) {
    CHECK(sigwaitinfo(&set, &info) == SIGRTMIN);
    CHECK(info.si_code == SI_TIMER && info.si_value.sival_int == 1234);
  }
  CHECK(timer_gettime(timer, &now) == 0 && now.it_interval.tv_nsec == 5000000);
  CHECK(timer_getoverrun(timer) >= 0);
  CHECK(timer_delete(timer) == 0);
  CHECK_FAILS(timer_settime(timer, 0, &every, NULL), EINVAL);
  puts("ok: posix timer");
}
