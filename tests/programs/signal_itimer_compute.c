// A real-time timer interrupts a loop that makes no system call.
// expect: ok: 3 ticks
#include <sys/time.h>

#include "check.h"

static volatile sig_atomic_t ticks;

static void handle(int signal) {
  (void)signal;
  ticks++;
}

int main(void) {
  on_signal(SIGALRM, handle, 0);
  struct itimerval every = {{0, 10000}, {0, 10000}}, never = {}, left;
  CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
  while (ticks < 3) {
  }
  CHECK(getitimer(ITIMER_REAL, &left) == 0 && left.it_interval.tv_usec == 10000);
  CHECK(setitimer(ITIMER_REAL, &never, &left) == 0 && left.it_interval.tv_usec == 10000);
  CHECK(ticks >= 3);
  puts("ok: 3 ticks");
}
