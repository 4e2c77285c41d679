// A blocked signal stays pending, once however often it was sent, and comes when unblocked.
// expect: ok: pending once
#include "check.h"

static volatile sig_atomic_t count;

static void handle(int signal) {
  (void)signal;
  count++;
}

int main(void) {
  sigset_t pending;
  on_signal(SIGUSR1, handle, 0);
  mask_signal(SIG_BLOCK, SIGUSR1);
  for (int i = 0; i < 3; i++) CHECK(raise(SIGUSR1) == 0);
  CHECK(count == 0);
  CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) == 1);
  CHECK(sigismember(&pending, SIGUSR2) == 0);
  mask_signal(SIG_UNBLOCK, SIGUSR1);
  CHECK(count == 1);
  CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) == 0);
  puts("ok: pending once");
}
