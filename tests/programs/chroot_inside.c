// After chroot the new root is the top, and absolute paths start there.
// expect: ok: inside
#include "check.h"

int main(void) {
  char here[64];
  CHECK(mkdir("root", 0755) == 0 && mkdir("root/dir", 0755) == 0);
  put_file("outside", "outside");
  put_file("root/file", "inside");
  pid_t child = fork();
  if (child == 0) {
    CHECK(chroot("root") == 0 && chdir("/") == 0);
    CHECK(file_is("/file", "inside") && file_is("../../file", "inside"));
    CHECK(chdir("/dir/../..") == 0 && getcwd(here, sizeof here) && strcmp(here, "/") == 0);
    CHECK_FAILS(open("/outside", O_RDONLY), ENOENT);
    CHECK_FAILS(open("/bin/sh", O_RDONLY), ENOENT);
    put_file("/dir/new", "made inside");
    _exit(0);
  }
  CHECK(wait_for(child) == 0);
  CHECK(file_is("root/dir/new", "made inside") && file_is("outside", "outside"));
  puts("ok: inside");
}
