// Symbolic links: reading, following, cutting at the buffer's size, loops, O_NOFOLLOW.
// expect: ok: symbolic links
#include "check.h"

int main(void) {
  put_file("file", "text");
  CHECK(symlink("file", "link") == 0);
  char text[16] = "";
  CHECK(readlink("link", text, 16) == 4 && strcmp(text, "file") == 0);
  CHECK(readlinkat(AT_FDCWD, "link", text, 2) == 2);
  CHECK(file_is("link", "text"));
  CHECK_FAILS(open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
  CHECK_FAILS(readlink("file", text, 16), EINVAL);
  CHECK(symlink("loop", "loop") == 0);
  CHECK_FAILS(open("loop", O_RDONLY), ELOOP);
  struct stat info;
  CHECK(lstat("link", &info) == 0 && S_ISLNK(info.st_mode) && info.st_size == 4);
  CHECK(symlink("nowhere", "dangling") == 0);
  CHECK_FAILS(stat("dangling", &info), ENOENT);
  puts("ok: symbolic links");
}
