// A pipeline of three programs, as a shell builds it.
// expect: 3
// expect: ok: all ended with 0
#include "check.h"

static pid_t start(int in, int out, const char* command) {
  pid_t child = fork();
  if (child != 0) return child;
  CHECK(dup2(in, 0) == 0 && dup2(out, 1) == 1);
  close_range(3, ~0U, 0);
  execl("/bin/sh", "sh", "-c", command, NULL);
  _exit(126);
}

int main(void) {
  int a[2], b[2];
  CHECK(pipe(a) == 0 && pipe(b) == 0);
  pid_t first = start(0, a[1], "printf 'one\\ntwo\\none more\\nanyone\\n'");
  pid_t second = start(a[0], b[1], "grep one");
  pid_t third = start(b[0], 1, "wc -l");
  CHECK(close(a[0]) == 0 && close(a[1]) == 0 && close(b[0]) == 0 && close(b[1]) == 0);
  CHECK(wait_for(first) == 0 && wait_for(second) == 0 && wait_for(third) == 0);
  puts("ok: all ended with 0");
}
