// /proc/self/fd lists exactly the open descriptors, and its links name what they are.
// expect: ok: descriptors listed
#include <dirent.h>

#include "check.h"

int main(void) {
  put_file("file", "");
  char cwd[4000], wanted[4096], link[4096] = "", seen[16] = {0};
  int file = open("file", O_RDONLY), fds[2];
  CHECK(file == 3 && pipe(fds) == 0 && dup2(file, 9) == 9);
  DIR* dir = opendir("/proc/self/fd");
  for (struct dirent* entry; (entry = readdir(dir));) {
    int fd = atoi(entry->d_name);
    CHECK(fd >= 0 && fd < 16);
    if (entry->d_name[0] != '.') seen[fd]++;
  }
  for (int fd = 0; fd < 16; fd++) CHECK(seen[fd] == (fd <= 5 || fd == dirfd(dir) || fd == 9));
  CHECK(dirfd(dir) == 6);
  CHECK(readlink("/proc/self/fd/9", link, sizeof link) > 0);
  CHECK(getcwd(cwd, sizeof cwd) != NULL);
  snprintf(wanted, sizeof wanted, "%s/file", cwd);
  CHECK(strcmp(link, wanted) == 0);
  CHECK(readlink("/proc/self/fd/4", link, sizeof link) > 0 && strncmp(link, "pipe:[", 6) == 0);
  puts("ok: descriptors listed");
}
