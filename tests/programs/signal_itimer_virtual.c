// ITIMER_VIRTUAL and ITIMER_PROF count the program's own CPU time.
// expect: ok: virtual ticks
#include <sys/time.h>

#include "check.h"

static volatile sig_atomic_t ticks[64];

static void handle(int signal) { ticks[signal]++; }

int main(void) {
  on_signal(SIGVTALRM, handle, 0);
  on_signal(SIGPROF, handle, 0);
  struct itimerval every = {{0, 5000}, {0, 5000}}, never = {};
  CHECK(setitimer(ITIMER_VIRTUAL, &every, NULL) == 0);
  while (ticks[SIGVTALRM] < 2) {
  }
  CHECK(setitimer(ITIMER_VIRTUAL, &never, NULL) == 0);
  CHECK(setitimer(ITIMER_PROF, &every, NULL) == 0);
  while (ticks[SIGPROF] < 2) {
  }
  CHECK(setitimer(ITIMER_PROF, &never, NULL) == 0);
  CHECK(ticks[SIGALRM] == 0);
  puts("ok: virtual ticks");
}
