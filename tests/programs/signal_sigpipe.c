// Writing to a pipe without a reader raises SIGPIPE; ignored, it is EPIPE.
// exit: 141
// expect: ok: EPIPE
#include "check.h"

int main(void) {
  int fds[2];
  CHECK(pipe(fds) == 0 && close(fds[0]) == 0);
  signal(SIGPIPE, SIG_IGN);
  CHECK_FAILS(write(fds[1], "x", 1), EPIPE);
  puts("ok: EPIPE");
  fflush(stdout);
  signal(SIGPIPE, SIG_DFL);
  CHECK(write(fds[1], "x", 1) == 1);
}
