// The program's own SIGSYS handler is installed, told, called, and does not disturb its calls.
// expect: ok: SIGSYS handled
#include "check.h"

static volatile int count;

static void handle(int signal, siginfo_t* info, void* context) {
  (void)context;
  CHECK(signal == SIGSYS && info->si_code == SI_USER);
  count++;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO}, old;
  CHECK(sigaction(SIGSYS, &action, &old) == 0 && old.sa_handler == SIG_DFL);
  CHECK(sigaction(SIGSYS, NULL, &old) == 0 && old.sa_sigaction == handle);
  CHECK(kill(getpid(), SIGSYS) == 0 && count == 1);
  put_file("file", "text");
  CHECK(file_is("file", "text") && count == 1);
  mask_signal(SIG_BLOCK, SIGSYS);
  CHECK(kill(getpid(), SIGSYS) == 0 && count == 1);
  CHECK(file_is("file", "text"));
  mask_signal(SIG_UNBLOCK, SIGSYS);
  CHECK(count == 2);
  signal(SIGSYS, SIG_IGN);
  CHECK(kill(getpid(), SIGSYS) == 0 && file_is("file", "text") && count == 2);
  signal(SIGSYS, SIG_DFL);
  pid_t child = fork();
  if (child == 0) kill(getpid(), SIGSYS);
  CHECK(wait_for(child) == 128 + SIGSYS);
  puts("ok: SIGSYS handled");
}
