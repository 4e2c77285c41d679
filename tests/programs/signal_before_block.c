// A handler never runs in the part of a program that blocks its signal.
// expect: ok: never inside
#include "check.h"

static volatile sig_atomic_t inside, taken;

static void handler(int signal) {
  (void)signal;
  CHECK(!inside);
  if (++taken % 8 == 0) CHECK(getppid() > 0);
}

static void protect(int how) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  CHECK(sigprocmask(how, &set, NULL) == 0);
}

int main(void) {
  struct sigaction action = {.sa_handler = handler};
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  const pid_t parent = getpid(), sender = fork();
  CHECK(sender >= 0);
  if (sender == 0) {
    const struct timespec pause = {0, 50000};
    for (;;) {
      kill(parent, SIGUSR1);
      nanosleep(&pause, NULL);
    }
  }
  const int out = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0600);
  for (int round = 0; round < 400 || taken < 20; round++) {
    for (volatile int i = 0; i < 3000; i++) continue;
    protect(SIG_BLOCK);
    inside = 1;
    CHECK(pwrite(out, "x", 1, 0) == 1);
    inside = 0;
    protect(SIG_UNBLOCK);
  }
  CHECK(kill(sender, SIGKILL) == 0 && wait_for(sender) == 128 + SIGKILL);
  puts("ok: never inside");
}
