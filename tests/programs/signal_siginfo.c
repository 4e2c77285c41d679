// SA_SIGINFO tells who sent a signal and why.
// expect: ok: sender known
#include "check.h"

static volatile siginfo_t seen;

static void handle(int signal, siginfo_t* info, void* context) {
  (void)signal;
  CHECK(context != NULL);
  seen = *info;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(SIGCHLD, &action, NULL) == 0);
  CHECK(kill(getpid(), SIGUSR1) == 0);
  CHECK(seen.si_signo == SIGUSR1 && seen.si_code == SI_USER);
  CHECK(seen.si_pid == getpid() && seen.si_uid == getuid());
  mask_signal(SIG_BLOCK, SIGCHLD);
  pid_t child = fork();
  if (child == 0) _exit(9);
  sigset_t none;
  sigemptyset(&none);
  while (seen.si_signo != SIGCHLD) sigsuspend(&none);
  CHECK(seen.si_pid == child && seen.si_code == CLD_EXITED && seen.si_status == 9);
  CHECK(wait_for(child) == 9);
  puts("ok: sender known");
}
