// O_TMPFILE makes a file without a name; linkat gives it one.
// expect: ok: named afterwards
#include "check.h"

int main(void) {
  int fd = open(".", O_TMPFILE | O_RDWR, 0640);
  char path[32];
  struct stat info;
  CHECK(fd == 3 && write(fd, "hidden", 6) == 6);
  CHECK(fstat(fd, &info) == 0 && info.st_nlink == 0 && (info.st_mode & 0777) == 0640);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  CHECK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0);
  CHECK(fstat(fd, &info) == 0 && info.st_nlink == 1);
  CHECK(file_is("named", "hidden"));
  puts("ok: named afterwards");
}
