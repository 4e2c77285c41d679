// epoll_pwait opens the signal mask for the wait only: a pending signal ends it.
// expect: ok: interrupted by a pending signal
#include <sys/epoll.h>

#include "check.h"

static volatile sig_atomic_t count;

static void handle(int signal) {
  (void)signal;
  count++;
}

int main(void) {
  int poller = epoll_create1(0);
  struct epoll_event got;
  sigset_t none, now;
  sigemptyset(&none);
  on_signal(SIGUSR1, handle, SA_RESTART);
  mask_signal(SIG_BLOCK, SIGUSR1);
  for (int i = 1; i <= 3; i++) {
    CHECK(raise(SIGUSR1) == 0 && count == i - 1);
    CHECK_FAILS(epoll_pwait(poller, &got, 1, -1, &none), EINTR);
    CHECK(count == i);
  }
  CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0 && sigismember(&now, SIGUSR1) == 1);
  CHECK(epoll_pwait(poller, &got, 1, 0, &none) == 0);
  puts("ok: interrupted by a pending signal");
}
