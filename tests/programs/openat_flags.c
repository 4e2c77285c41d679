// openat: relative to a folder, O_DIRECTORY, O_PATH, O_NOFOLLOW, and openat2's RESOLVE_BENEATH.
// expect: ok: openat
#include <linux/openat2.h>

#include "check.h"

int main(void) {
  CHECK(mkdir("dir", 0755) == 0);
  put_file("dir/file", "in dir");
  int dir = open("dir", O_PATH | O_DIRECTORY);
  int fd = openat(dir, "file", O_RDONLY);
  char text[8];
  CHECK(dir == 3 && fd == 4 && read(fd, text, 8) == 6);
  CHECK_FAILS(read(dir, text, 1), EBADF);
  CHECK_FAILS(open("dir/file", O_RDONLY | O_DIRECTORY), ENOTDIR);
  CHECK_FAILS(openat(fd, "file", O_RDONLY), ENOTDIR);
  CHECK_FAILS(openat(99, "file", O_RDONLY), EBADF);
  struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_BENEATH};
  CHECK(syscall(SYS_openat2, dir, "file", &how, sizeof how) == 5);
  CHECK_FAILS(syscall(SYS_openat2, dir, "../dir/file", &how, sizeof how), EXDEV);
  CHECK_FAILS(syscall(SYS_openat2, dir, "file", &how, 3), EINVAL);
  puts("ok: openat");
}
