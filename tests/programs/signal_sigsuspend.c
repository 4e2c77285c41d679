// Parent and child take turns by signals and sigsuspend, without losing one.
// expect: ok: 50 turns
#include "check.h"

static volatile sig_atomic_t turns;

static void handle(int signal) {
  (void)signal;
  turns++;
}

int main(void) {
  sigset_t none;
  sigemptyset(&none);
  on_signal(SIGUSR1, handle, 0);
  mask_signal(SIG_BLOCK, SIGUSR1);
  pid_t parent = getpid(), child = fork();
  if (child == 0) {
    for (int i = 1; i <= 50; i++) {
      while (turns < i) sigsuspend(&none);
      CHECK(kill(parent, SIGUSR1) == 0);
    }
    _exit(0);
  }
  for (int i = 1; i <= 50; i++) {
    CHECK(kill(child, SIGUSR1) == 0);
    while (turns < i) CHECK_FAILS(sigsuspend(&none), EINTR);
  }
  CHECK(wait_for(child) == 0);
  printf("ok: %d turns\n", (int)turns);
}
