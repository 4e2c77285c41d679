// close_range closes a range, and can mark one close-on-exec instead.
// expect: ok: ranges closed
#include <linux/close_range.h>

#include "check.h"

int main(void) {
  for (int fd = 3; fd < 20; fd++) CHECK(dup(1) == fd);
  CHECK(close_range(5, 9, 0) == 0);
  for (int fd = 3; fd < 20; fd++) {
    bool open_now = fcntl(fd, F_GETFD) == 0;
    CHECK(open_now == (fd < 5 || fd > 9));
  }
  CHECK(close_range(10, ~0U, CLOSE_RANGE_CLOEXEC) == 0);
  CHECK(fcntl(4, F_GETFD) == 0 && fcntl(10, F_GETFD) == FD_CLOEXEC);
  CHECK(close_range(3, ~0U, 0) == 0);
  CHECK_FAILS(fcntl(19, F_GETFD), EBADF);
  CHECK_FAILS(close_range(9, 5, 0), EINVAL);
  CHECK(dup(1) == 3);
  puts("ok: ranges closed");
}
