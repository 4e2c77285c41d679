// stat, lstat, fstat and fstatat agree on one inode.
// expect: ok: stat agrees
#include "check.h"

int main(void) {
  put_file("file", "12345");
  CHECK(symlink("file", "link") == 0);
  struct stat a, b, c, d, e;
  int fd = open("link", O_RDONLY), dir = open(".", O_RDONLY | O_DIRECTORY);
  CHECK(stat("file", &a) == 0 && lstat("file", &b) == 0 && fstat(fd, &c) == 0);
  CHECK(fstatat(dir, "link", &d, 0) == 0 && fstatat(dir, "link", &e, AT_SYMLINK_NOFOLLOW) == 0);
  CHECK(a.st_ino == b.st_ino && b.st_ino == c.st_ino && c.st_ino == d.st_ino);
  CHECK(a.st_ino != e.st_ino && S_ISLNK(e.st_mode));
  CHECK(a.st_dev == d.st_dev && a.st_uid == 0 && a.st_gid == 0);
  CHECK(S_ISREG(a.st_mode) && (a.st_mode & 0777) == 0644 && a.st_size == 5 && a.st_nlink == 1);
  CHECK(fstatat(fd, "", &d, AT_EMPTY_PATH) == 0 && d.st_ino == a.st_ino);
  CHECK_FAILS(stat("", &a), ENOENT);
  CHECK_FAILS(stat("file/x", &a), ENOTDIR);
  puts("ok: stat agrees");
}
