// A signal to a process group reaches all of its members and nobody else.
// expect: ok: group of 3 ended
#include "check.h"

int main(void) {
  pid_t children[3];
  for (int i = 0; i < 3; i++) {
    children[i] = fork();
    if (children[i] == 0)
      for (;;) pause();
    CHECK(setpgid(children[i], children[0]) == 0);
    CHECK(getpgid(children[i]) == children[0]);
  }
  CHECK(getpgrp() != children[0]);
  CHECK(kill(-children[0], SIGTERM) == 0);
  for (int i = 0; i < 3; i++) CHECK(waitpid(-children[0], NULL, 0) > 0);
  CHECK_FAILS(waitpid(-children[0], NULL, 0), ECHILD);
  CHECK_FAILS(killpg(children[0], SIGTERM), ESRCH);
  puts("ok: group of 3 ended");
}
