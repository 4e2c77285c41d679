// longjmp leaves nested calls, also with the signal mask, and a loop of system calls.
// expect: ok: jumped
#include <setjmp.h>

#include "check.h"

static jmp_buf plain;
static sigjmp_buf with_mask;

static int dive(int depth, int value) {
  CHECK(getppid() > 0);
  if (depth > 0) return dive(depth - 1, value) + 1;
  if (value > 0) longjmp(plain, value);
  return 0;
}

static void handle(int signal) {
  (void)signal;
  siglongjmp(with_mask, 1);
}

int main(void) {
  for (volatile int i = 1; i < 50; i++) {
    int value = setjmp(plain);
    if (value == 0) value = -dive(i, i);
    CHECK(value == i);
  }
  sigset_t now;
  on_signal(SIGUSR1, handle, 0);
  for (volatile int i = 0; i < 10; i++) {
    if (sigsetjmp(with_mask, 1) == 0) raise(SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0 && sigismember(&now, SIGUSR1) == 0);
  }
  puts("ok: jumped");
}
