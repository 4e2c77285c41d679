// A folder of 500 names is listed completely, once each, across many getdents calls.
// expect: ok: 500 names, dot and dot-dot
#include <dirent.h>

#include "check.h"

int main(void) {
  char name[32], seen[500] = {0};
  CHECK(mkdir("dir", 0755) == 0 && chdir("dir") == 0);
  for (int i = 0; i < 500; i++) {
    snprintf(name, sizeof name, "a-name-that-is-long-%d", i);
    CHECK(close(open(name, O_CREAT | O_WRONLY, 0644)) == 0);
  }
  DIR* dir = opendir(".");
  int dots = 0, index;
  for (struct dirent* entry; (entry = readdir(dir));) {
    if (entry->d_name[0] == '.') {
      dots++;
      continue;
    }
    CHECK(sscanf(entry->d_name, "a-name-that-is-long-%d", &index) == 1);
    CHECK(entry->d_type == DT_REG && seen[index]++ == 0);
    CHECK(unlink(entry->d_name) == 0);
  }
  CHECK(dots == 2 && memchr(seen, 0, 500) == NULL);
  CHECK(closedir(dir) == 0 && chdir("..") == 0 && rmdir("dir") == 0);
  puts("ok: 500 names, dot and dot-dot");
}
