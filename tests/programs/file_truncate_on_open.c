// O_TRUNC empties a file; creat() is O_CREAT|O_WRONLY|O_TRUNC; O_RDONLY refuses writing.
// expect: ok: truncated
#include "check.h"

int main(void) {
  put_file("file", "something long");
  int fd = open("file", O_RDWR | O_TRUNC);
  struct stat info;
  CHECK(fstat(fd, &info) == 0 && info.st_size == 0);
  CHECK(write(fd, "x", 1) == 1 && close(fd) == 0);
  fd = creat("file", 0600);
  CHECK(fd == 3 && write(fd, "new", 3) == 3 && close(fd) == 0);
  fd = open("file", O_RDONLY);
  CHECK_FAILS(write(fd, "y", 1), EBADF);
  CHECK(file_is("file", "new"));
  CHECK(stat("file", &info) == 0 && (info.st_mode & 0777) == 0644);
  puts("ok: truncated");
}
