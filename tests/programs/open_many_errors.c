// open says what is wrong: name too long, no such folder, not a folder, bad flags, no room.
// expect: ok: open errors
#include <sys/resource.h>

#include "check.h"

int main(void) {
  char name[5000];
  memset(name, 'n', sizeof name);
  name[4999] = 0;
  CHECK_FAILS(open(name, O_RDONLY), ENAMETOOLONG);
  name[300] = 0;
  CHECK_FAILS(open(name, O_CREAT | O_WRONLY, 0644), ENAMETOOLONG);
  CHECK_FAILS(open("missing/file", O_CREAT | O_WRONLY, 0644), ENOENT);
  CHECK_FAILS(open("", O_RDONLY), ENOENT);
  CHECK_FAILS(open("/", O_CREAT | O_WRONLY, 0644), EISDIR);
  CHECK_FAILS(open("/proc/self/no-such-thing", O_RDONLY), ENOENT);
  struct rlimit limit = {5, 5};
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  CHECK(open("/dev/null", O_RDONLY) == 3 && dup(3) == 4);
  CHECK_FAILS(open("/dev/null", O_RDONLY), EMFILE);
  CHECK_FAILS(dup(0), EMFILE);
  CHECK_FAILS(pipe((int[2]){0}), EMFILE);
  CHECK(close(3) == 0 && open("/dev/null", O_RDONLY) == 3);
  puts("ok: open errors");
}
