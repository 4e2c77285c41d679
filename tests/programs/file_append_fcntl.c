// O_APPEND can be switched on and off by F_SETFL.
// expect: ok: append flag switched
#include "check.h"

int main(void) {
  put_file("file", "0123456789");
  int fd = open("file", O_RDWR);
  int flags = fcntl(fd, F_GETFL);
  CHECK((flags & O_ACCMODE) == O_RDWR && !(flags & O_APPEND));
  CHECK(fcntl(fd, F_SETFL, flags | O_APPEND) == 0);
  CHECK(write(fd, "end", 3) == 3);
  CHECK(fcntl(fd, F_SETFL, flags) == 0);
  CHECK(lseek(fd, 0, SEEK_SET) == 0);
  CHECK(write(fd, "AB", 2) == 2);
  CHECK(file_is("file", "AB23456789end"));
  puts("ok: append flag switched");
}
