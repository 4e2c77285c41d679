// WNOHANG returns 0 while the child lives and its pid once it is dead.
// expect: ok: no hang
#include "check.h"

int main(void) {
  int fds[2], status;
  CHECK(pipe(fds) == 0);
  pid_t child = fork();
  if (child == 0) {
    char c;
    close(fds[1]);
    _exit(read(fds[0], &c, 1) == 0 ? 4 : 1);
  }
  CHECK(waitpid(child, &status, WNOHANG) == 0);
  CHECK(close(fds[1]) == 0);
  pid_t got;
  while ((got = waitpid(-1, &status, WNOHANG)) == 0) sched_yield();
  CHECK(got == child && WIFEXITED(status) && WEXITSTATUS(status) == 4);
  CHECK_FAILS(waitpid(-1, &status, WNOHANG), ECHILD);
  puts("ok: no hang");
}
