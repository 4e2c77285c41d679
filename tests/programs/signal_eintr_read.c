// Without SA_RESTART a signal ends a blocked read with EINTR.
// expect: ok: EINTR
#include <sys/time.h>

#include "check.h"

static void handle(int signal) { (void)signal; }

int main(void) {
  int fds[2];
  char c;
  CHECK(pipe(fds) == 0);
  on_signal(SIGALRM, handle, 0);
  struct itimerval every = {{0, 20000}, {0, 20000}};
  CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
  CHECK_FAILS(read(fds[0], &c, 1), EINTR);
  CHECK_FAILS(pause(), EINTR);
  struct timespec long_time = {100, 0}, rest;
  CHECK_FAILS(nanosleep(&long_time, &rest), EINTR);
  CHECK(rest.tv_sec >= 90 && rest.tv_sec < 100);
  puts("ok: EINTR");
}
