// fallocate extends, keeps the size on request, and punches holes.
// expect: ok: allocated
#include "check.h"

int main(void) {
  int fd = open("file", O_RDWR | O_CREAT, 0644);
  struct stat info;
  CHECK(fallocate(fd, 0, 0, 8192) == 0);
  CHECK(fstat(fd, &info) == 0 && info.st_size == 8192);
  CHECK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 8192, 8192) == 0);
  CHECK(fstat(fd, &info) == 0 && info.st_size == 8192);
  CHECK(pwrite(fd, "abcdef", 6, 0) == 6);
  CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1, 2) == 0);
  char text[6];
  CHECK(pread(fd, text, 6, 0) == 6 && memcmp(text, "a\0\0def", 6) == 0);
  CHECK_FAILS(fallocate(fd, 0, 0, 0), EINVAL);
  CHECK(posix_fallocate(fd, 0, 10000) == 0);
  CHECK(fstat(fd, &info) == 0 && info.st_size == 10000);
  puts("ok: allocated");
}
