// SIGCHLD interrupts a wait for input; the handler collects all dead children.
// expect: ok: 4 children collected
#include "check.h"

static volatile sig_atomic_t dead;

static void handle(int signal) {
  (void)signal;
  int saved = errno;
  while (waitpid(-1, NULL, WNOHANG) > 0) dead++;
  errno = saved;
}

int main(void) {
  on_signal(SIGCHLD, handle, SA_RESTART | SA_NOCLDSTOP);
  mask_signal(SIG_BLOCK, SIGCHLD);
  for (int i = 0; i < 4; i++)
    if (fork() == 0) _exit(i);
  sigset_t none;
  sigemptyset(&none);
  while (dead < 4) sigsuspend(&none);
  CHECK_FAILS(waitpid(-1, NULL, 0), ECHILD);
  puts("ok: 4 children collected");
}
