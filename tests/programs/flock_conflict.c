// flock belongs to the open file description: two conflict, duplicates share.
// expect: ok: flock
#include <sys/file.h>

#include "check.h"

int main(void) {
  put_file("file", "");
  int a = open("file", O_RDONLY), b = open("file", O_RDONLY), c = dup(a);
  CHECK(flock(a, LOCK_EX) == 0);
  CHECK_FAILS(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  CHECK(flock(c, LOCK_SH) == 0 && flock(b, LOCK_SH | LOCK_NB) == 0);
  CHECK_FAILS(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  CHECK(close(a) == 0);
  CHECK_FAILS(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  CHECK(close(c) == 0);
  CHECK(flock(b, LOCK_EX | LOCK_NB) == 0 && flock(b, LOCK_UN) == 0);
  puts("ok: flock");
}
