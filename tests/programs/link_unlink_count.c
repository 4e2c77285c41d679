// A hard link shares the inode; an unlinked open file lives until it is closed.
// expect: ok: links counted
#include "check.h"

int main(void) {
  put_file("first", "text");
  CHECK(link("first", "second") == 0);
  struct stat a, b;
  CHECK(stat("first", &a) == 0 && stat("second", &b) == 0);
  CHECK(a.st_ino == b.st_ino && a.st_nlink == 2);
  CHECK_FAILS(link("first", "second"), EEXIST);
  int fd = open("first", O_RDONLY);
  CHECK(unlink("first") == 0 && unlinkat(AT_FDCWD, "second", 0) == 0);
  CHECK(fstat(fd, &a) == 0 && a.st_nlink == 0 && a.st_size == 4);
  char text[4];
  CHECK(read(fd, text, 4) == 4 && memcmp(text, "text", 4) == 0);
  CHECK_FAILS(open("first", O_RDONLY), ENOENT);
  CHECK_FAILS(unlink("first"), ENOENT);
  puts("ok: links counted");
}
