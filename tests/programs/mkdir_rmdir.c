// Folders: creation, refusal to remove one that is not empty, nesting.
// expect: ok: folders
#include "check.h"

int main(void) {
  CHECK(mkdir("a", 0755) == 0 && mkdir("a/b", 0700) == 0 && mkdirat(AT_FDCWD, "c", 0755) == 0);
  CHECK_FAILS(mkdir("a", 0755), EEXIST);
  CHECK_FAILS(mkdir("x/y", 0755), ENOENT);
  CHECK_FAILS(rmdir("a"), ENOTEMPTY);
  put_file("a/b/file", "1");
  CHECK_FAILS(rmdir("a/b/file"), ENOTDIR);
  CHECK_FAILS(unlink("a"), EISDIR);
  CHECK_FAILS(open("a", O_WRONLY), EISDIR);
  CHECK(rmdir("c") == 0);
  struct stat info;
  CHECK(stat("a", &info) == 0 && S_ISDIR(info.st_mode) && info.st_nlink == 3);
  puts("ok: folders");
}
