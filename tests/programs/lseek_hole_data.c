// lseek finds holes and data, and refuses what is out of range.
// expect: ok: holes found
#include "check.h"

int main(void) {
  int fd = open("sparse", O_RDWR | O_CREAT, 0644);
  CHECK(pwrite(fd, "data", 4, 1 << 20) == 4);
  off_t size = (1 << 20) + 4;
  CHECK(lseek(fd, 0, SEEK_END) == size);
  off_t data = lseek(fd, 0, SEEK_DATA);
  CHECK(data >= 0 && data <= 1 << 20);
  CHECK(lseek(fd, 1 << 20, SEEK_HOLE) == size);
  CHECK_FAILS(lseek(fd, size, SEEK_DATA), ENXIO);
  CHECK_FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
  CHECK_FAILS(lseek(fd, 0, 99), EINVAL);
  CHECK(lseek(fd, 5, SEEK_END) == size + 5);
  int pipes[2];
  CHECK(pipe(pipes) == 0);
  CHECK_FAILS(lseek(pipes[0], 0, SEEK_CUR), ESPIPE);
  puts("ok: holes found");
}
