// A child's output comes through a pipe in order, and its end is seen by the parent.
// expect: line 0
// expect: line 1
// expect: line 2
// expect: ok: child done
#include "check.h"

int main(void) {
  int fds[2];
  CHECK(pipe(fds) == 0);
  pid_t child = fork();
  if (child == 0) {
    close(fds[0]);
    for (int i = 0; i < 3; i++) dprintf(fds[1], "line %d\n", i);
    _exit(7);
  }
  close(fds[1]);
  char buffer[64];
  for (ssize_t n; (n = read(fds[0], buffer, sizeof buffer)) > 0;) write_all(1, buffer, (size_t)n);
  CHECK(wait_for(child) == 7);
  puts("ok: child done");
}
