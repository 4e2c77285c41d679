// pread and pwrite use their own offset and leave the file's alone.
// expect: ok: positional I/O
#include "check.h"

int main(void) {
  int fd = open("file", O_RDWR | O_CREAT, 0644);
  char text[8] = "";
  CHECK(write(fd, "0123456789", 10) == 10);
  CHECK(lseek(fd, 4, SEEK_SET) == 4);
  CHECK(pwrite(fd, "XY", 2, 8) == 2);
  CHECK(pwrite(fd, "end", 3, 12) == 3);
  CHECK(pread(fd, text, 3, 7) == 3 && memcmp(text, "7XY", 3) == 0);
  CHECK(pread(fd, text, 5, 10) == 5 && memcmp(text, "\0\0end", 5) == 0);
  CHECK(pread(fd, text, 5, 100) == 0);
  CHECK_FAILS(pread(fd, text, 5, -1), EINVAL);
  CHECK(read(fd, text, 2) == 2 && memcmp(text, "45", 2) == 0);
  CHECK(lseek(fd, 0, SEEK_CUR) == 6);
  puts("ok: positional I/O");
}
