// A pipe holds data after its writer is gone, then gives end of file.
// expect: ok: end of file
#include <sys/ioctl.h>

#include "check.h"

int main(void) {
  int fds[2], waiting;
  char text[16];
  CHECK(pipe(fds) == 0);
  CHECK(write(fds[1], "hello", 5) == 5 && write(fds[1], "world", 5) == 5);
  CHECK(ioctl(fds[0], FIONREAD, &waiting) == 0 && waiting == 10);
  CHECK(close(fds[1]) == 0);
  CHECK(read(fds[0], text, 7) == 7 && memcmp(text, "hellowo", 7) == 0);
  CHECK(read(fds[0], text, 16) == 3 && memcmp(text, "rld", 3) == 0);
  CHECK(read(fds[0], text, 16) == 0 && read(fds[0], text, 16) == 0);
  CHECK_FAILS(write(fds[0], "x", 1), EBADF);
  puts("ok: end of file");
}
