// An eventfd adds up what is written and is emptied by one read.
// expect: ok: counter
#include <sys/eventfd.h>

#include "check.h"

int main(void) {
  int fd = eventfd(5, EFD_NONBLOCK);
  uint64_t value = 7;
  CHECK(write(fd, &value, 8) == 8);
  CHECK(read(fd, &value, 8) == 8 && value == 12);
  CHECK_FAILS(read(fd, &value, 8), EAGAIN);
  CHECK_FAILS(read(fd, &value, 4), EINVAL);
  value = UINT64_MAX;
  CHECK_FAILS(write(fd, &value, 8), EINVAL);
  value = UINT64_MAX - 1;
  CHECK(write(fd, &value, 8) == 8);
  value = 1;
  CHECK_FAILS(write(fd, &value, 8), EAGAIN);
  puts("ok: counter");
}
