// A path of forty folders, walked by openat, with the parent renamed meanwhile.
// expect: ok: 40 deep
#include "check.h"

int main(void) {
  int dir = open(".", O_RDONLY | O_DIRECTORY), first = -1;
  for (int i = 0; i < 40; i++) {
    CHECK(mkdirat(dir, "folder", 0755) == 0);
    int next = openat(dir, "folder", O_RDONLY | O_DIRECTORY);
    CHECK(next >= 0 && close(dir) == 0);
    dir = next;
    if (i == 0) first = dup(dir);
  }
  CHECK(rename("folder", "renamed") == 0);
  int fd = openat(dir, "file", O_WRONLY | O_CREAT, 0644);  // the descriptor still finds it
  CHECK(fd >= 0 && write(fd, "deep", 4) == 4);
  char path[512] = "renamed";
  for (int i = 1; i < 40; i++) strcat(path, "/folder");
  strcat(path, "/file");
  CHECK(file_is(path, "deep"));
  CHECK(fchdir(first) == 0 && access("folder", F_OK) == 0);
  puts("ok: 40 deep");
}
