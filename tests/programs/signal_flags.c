// SA_NODEFER lets a signal nest, SA_RESETHAND handles it once, sa_mask blocks others meanwhile.
// expect: ok: flags
#include "check.h"

static volatile int depth, deepest, second_ran;

static void nest(int signal) {
  if (++depth > deepest) deepest = depth;
  if (depth < 3) CHECK(raise(signal) == 0);
  depth--;
}

static void second(int signal) {
  (void)signal;
  second_ran = 1;
}

static void first(int signal) {
  (void)signal;
  CHECK(raise(SIGUSR2) == 0 && !second_ran);
}

int main(void) {
  on_signal(SIGUSR1, nest, SA_NODEFER);
  CHECK(raise(SIGUSR1) == 0 && deepest == 3);
  on_signal(SIGUSR1, nest, 0);
  depth = 2, deepest = 0;  // deep enough not to raise again
  CHECK(raise(SIGUSR1) == 0 && deepest == 3);
  struct sigaction action = {.sa_handler = first}, old;
  sigaddset(&action.sa_mask, SIGUSR2);
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  on_signal(SIGUSR2, second, SA_RESETHAND);
  CHECK(raise(SIGUSR1) == 0 && second_ran);
  CHECK(sigaction(SIGUSR2, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
  CHECK(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == first);
  CHECK(sigismember(&old.sa_mask, SIGUSR2) == 1);
  CHECK_FAILS(sigaction(SIGKILL, &action, NULL), EINVAL);
  CHECK_FAILS(sigaction(77, &action, NULL), EINVAL);
  puts("ok: flags");
}
