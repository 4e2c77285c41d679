// ftruncate and truncate cut a file and extend it with zeros.
// expect: ok: resized
#include "check.h"

int main(void) {
  put_file("file", "0123456789");
  int fd = open("file", O_RDWR);
  char text[16];
  CHECK(ftruncate(fd, 4) == 0);
  CHECK(file_is("file", "0123"));
  CHECK(ftruncate(fd, 8) == 0);
  CHECK(read(fd, text, 16) == 8 && memcmp(text, "0123\0\0\0\0", 8) == 0);
  CHECK(truncate("file", 2) == 0);
  CHECK(lseek(fd, 0, SEEK_CUR) == 8);
  CHECK(read(fd, text, 16) == 0);
  CHECK_FAILS(ftruncate(fd, -1), EINVAL);
  CHECK_FAILS(truncate("missing", 1), ENOENT);
  CHECK(file_is("file", "01"));
  puts("ok: resized");
}
