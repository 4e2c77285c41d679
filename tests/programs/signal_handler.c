// A handler runs before raise and kill return, and the interrupted code goes on.
// expect: ok: handled 3 signals
#include "check.h"

static volatile sig_atomic_t count, last;

static void handle(int signal) {
  count++;
  last = signal;
}

int main(void) {
  on_signal(SIGUSR1, handle, 0);
  on_signal(SIGUSR2, handle, 0);
  CHECK(raise(SIGUSR1) == 0 && count == 1 && last == SIGUSR1);
  CHECK(kill(getpid(), SIGUSR2) == 0 && count == 2 && last == SIGUSR2);
  CHECK(kill(0, 0) == 0 && count == 2);
  on_signal(SIGUSR2, SIG_IGN, 0);
  CHECK(raise(SIGUSR2) == 0 && count == 2);
  CHECK(raise(SIGUSR1) == 0 && count == 3 && last == SIGUSR1);
  puts("ok: handled 3 signals");
}
