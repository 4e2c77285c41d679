// splice moves data from a file through a pipe into another file.
// expect: ok: spliced
#include "check.h"

int main(void) {
  put_file("from", "0123456789");
  int from = open("from", O_RDONLY), to = open("to", O_RDWR | O_CREAT, 0644), fds[2];
  CHECK(pipe(fds) == 0);
  off64_t offset = 2;
  CHECK(splice(from, &offset, fds[1], NULL, 5, 0) == 5 && offset == 7);
  CHECK(splice(from, NULL, fds[1], NULL, 100, SPLICE_F_MOVE) == 10);
  CHECK(splice(fds[0], NULL, to, NULL, 100, 0) > 0);
  CHECK(file_is("to", "234560123456789"));
  CHECK_FAILS(splice(fds[0], NULL, to, NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
  CHECK_FAILS(splice(from, NULL, to, NULL, 1, 0), EINVAL);
  CHECK(close(fds[1]) == 0 && splice(fds[0], NULL, to, NULL, 1, 0) == 0);
  puts("ok: spliced");
}
