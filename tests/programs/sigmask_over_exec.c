// exec keeps the signal mask and ignored signals, and resets handlers.
// expect: ok: mask inherited
#include "check.h"

static void handle(int signal) { (void)signal; }

int main(int argc, char** argv) {
  struct sigaction old;
  sigset_t now;
  if (argc == 2) {
    CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0);
    CHECK(sigismember(&now, SIGUSR1) == 1 && sigismember(&now, SIGUSR2) == 0);
    CHECK(sigpending(&now) == 0 && sigismember(&now, SIGUSR1) == 1);
    CHECK(sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler == SIG_IGN);
    CHECK(sigaction(SIGUSR2, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
    CHECK(sigaction(SIGCHLD, NULL, &old) == 0 && old.sa_handler == SIG_IGN);
    CHECK(raise(SIGHUP) == 0);
    puts("ok: mask inherited");
    return 0;
  }
  mask_signal(SIG_BLOCK, SIGUSR1);
  signal(SIGHUP, SIG_IGN);
  signal(SIGCHLD, SIG_IGN);
  on_signal(SIGUSR2, handle, 0);
  CHECK(raise(SIGUSR1) == 0);
  execl("/proc/self/exe", argv[0], "again", NULL);
  CHECK(!"exec failed");
}
