// A folder can be read again from the start or from a remembered place.
// expect: ok: read again
#include <dirent.h>

#include "check.h"

int main(void) {
  for (const char* p = "abcdef"; *p; p++) put_file((char[]){*p, 0}, "");
  DIR* dir = opendir(".");
  char names[8][8];
  long places[8];
  int count = 0;
  for (struct dirent* entry;; count++) {
    places[count] = telldir(dir);
    if (!(entry = readdir(dir))) break;
    CHECK(count < 8);
    strncpy(names[count], entry->d_name, 7);
  }
  CHECK(count == 8);
  seekdir(dir, places[5]);
  CHECK(strcmp(readdir(dir)->d_name, names[5]) == 0);
  rewinddir(dir);
  CHECK(strcmp(readdir(dir)->d_name, names[0]) == 0);
  char buffer[8];
  CHECK(lseek(dirfd(dir), 0, SEEK_SET) == 0);
  CHECK_FAILS(syscall(SYS_getdents64, dirfd(dir), buffer, 8), EINVAL);
  CHECK(closedir(dir) == 0);
  puts("ok: read again");
}
