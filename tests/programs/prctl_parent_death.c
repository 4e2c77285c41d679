// A child with PR_SET_PDEATHSIG gets its signal when its parent ends.
// expect: ok: told of the parent's death
#include <sys/prctl.h>

#include "check.h"

int main(void) {
  int ready[2], told[2];
  char c;
  CHECK(pipe(ready) == 0 && pipe(told) == 0);
  pid_t child = fork();
  if (child == 0) {
    if (fork() == 0) {
      sigset_t set;
      sigemptyset(&set);
      sigaddset(&set, SIGUSR2);
      CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
      CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR2) == 0);
      CHECK(write(ready[1], "r", 1) == 1);
      CHECK(sigwaitinfo(&set, NULL) == SIGUSR2);
      CHECK(write(told[1], "t", 1) == 1);
      _exit(0);
    }
    CHECK(read(ready[0], &c, 1) == 1);
    _exit(0);
  }
  CHECK(wait_for(child) == 0);
  CHECK(close(told[1]) == 0);
  CHECK(read(told[0], &c, 1) == 1 && c == 't');
  CHECK(read(told[0], &c, 1) == 0);  // the grandchild has ended too
  puts("ok: told of the parent's death");
}
