// A program traces its own child: stops it, reads and changes its memory, lets it go on.
// expect: ok: traced
#include <sys/ptrace.h>

#include "check.h"

static volatile long value = 11;

int main(void) {
  int status;
  pid_t child = fork();
  if (child == 0) {
    CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
    raise(SIGSTOP);
    _exit(value == 22 ? 7 : 1);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
  errno = 0;
  CHECK(ptrace(PTRACE_PEEKDATA, child, &value, NULL) == 11 && errno == 0);
  CHECK(ptrace(PTRACE_POKEDATA, child, &value, (void*)22) == 0 && value == 11);
  CHECK(ptrace(PTRACE_CONT, child, NULL, NULL) == 0);
  CHECK(wait_for(child) == 7);
  CHECK_FAILS(ptrace(PTRACE_CONT, child, NULL, NULL), ESRCH);
  puts("ok: traced");
}
