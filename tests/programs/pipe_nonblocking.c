// A non-blocking pipe says EAGAIN when it is empty or full; its size can be changed.
// expect: ok: EAGAIN
#include "check.h"

int main(void) {
  int fds[2];
  char block[4096] = {0};
  CHECK(pipe2(fds, O_NONBLOCK) == 0);
  CHECK_FAILS(read(fds[0], block, 1), EAGAIN);
  CHECK(fcntl(fds[1], F_SETPIPE_SZ, 16384) == 16384 && fcntl(fds[0], F_GETPIPE_SZ) == 16384);
  for (int i = 0; i < 4; i++) CHECK(write(fds[1], block, 4096) == 4096);
  CHECK_FAILS(write(fds[1], block, 1), EAGAIN);
  CHECK(read(fds[0], block, 4096) == 4096);
  CHECK(write(fds[1], block, 4096) == 4096);
  CHECK(fcntl(fds[0], F_GETFL) == (O_RDONLY | O_NONBLOCK));
  CHECK(fcntl(fds[0], F_SETFL, 0) == 0 && fcntl(fds[0], F_GETFL) == O_RDONLY);
  puts("ok: EAGAIN");
}
