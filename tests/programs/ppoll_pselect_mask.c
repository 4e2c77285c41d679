// ppoll and pselect swap the signal mask while they wait.
// expect: ok: masks swapped
#include <poll.h>
#include <sys/select.h>

#include "check.h"

static volatile sig_atomic_t count;

static void handle(int signal) {
  (void)signal;
  count++;
}

int main(void) {
  sigset_t none, now;
  int fds[2];
  sigemptyset(&none);
  CHECK(pipe(fds) == 0);
  on_signal(SIGUSR1, handle, 0);
  mask_signal(SIG_BLOCK, SIGUSR1);
  struct pollfd set = {fds[0], POLLIN, 0};
  CHECK(raise(SIGUSR1) == 0);
  CHECK_FAILS(ppoll(&set, 1, NULL, &none), EINTR);
  fd_set reading;
  FD_ZERO(&reading);
  FD_SET(fds[0], &reading);
  CHECK(raise(SIGUSR1) == 0);
  CHECK_FAILS(pselect(fds[0] + 1, &reading, NULL, NULL, NULL, &none), EINTR);
  CHECK(count == 2);
  CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0 && sigismember(&now, SIGUSR1) == 1);
  struct timespec short_time = {0, 1000000};
  CHECK(ppoll(&set, 1, &short_time, NULL) == 0);
  CHECK(pselect(fds[0] + 1, &reading, NULL, NULL, &short_time, NULL) == 0);
  puts("ok: masks swapped");
}
