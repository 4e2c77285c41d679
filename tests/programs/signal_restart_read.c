// With SA_RESTART a blocked read goes on after the handler, and gets what the handler wrote.
// expect: ok: restarted
#include <sys/time.h>

#include "check.h"

static int fds[2];
static volatile sig_atomic_t count;

static void handle(int signal) {
  (void)signal;
  if (++count == 3) CHECK(write(fds[1], "x", 1) == 1);
}

int main(void) {
  char c;
  CHECK(pipe(fds) == 0);
  on_signal(SIGALRM, handle, SA_RESTART);
  struct itimerval every = {{0, 10000}, {0, 10000}};
  CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
  CHECK(read(fds[0], &c, 1) == 1 && c == 'x');
  CHECK(count >= 3);
  puts("ok: restarted");
}
