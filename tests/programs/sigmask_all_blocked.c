// A program that blocks every signal still makes system calls and faults as it should.
// expect: ok: all blocked
#include <sys/prctl.h>

#include "check.h"

int main(void) {
  sigset_t all, now;
  memset(&all, 0xff, sizeof all);  // more than sigfillset: libc's own signals too
  CHECK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8) == 0);
  CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0);
  for (int signal = 1; signal < 64; signal++)
    if (signal != SIGKILL && signal != SIGSTOP && signal != 32 && signal != 33)
      CHECK(sigismember(&now, signal) == 1);
  put_file("file", "written with all signals blocked\n");
  CHECK(file_is("file", "written with all signals blocked\n"));
  CHECK(raise(SIGTERM) == 0 && kill(getpid(), SIGSYS) == 0);
  pid_t child = fork();
  if (child == 0) *(volatile int*)8 = 1;  // a blocked fault signal still kills
  CHECK(wait_for(child) == 139);
  CHECK(sigpending(&now) == 0 && sigismember(&now, SIGTERM) == 1 && sigismember(&now, SIGSYS) == 1);
  puts("ok: all blocked");
}
