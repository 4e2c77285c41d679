// tee copies what is in a pipe into another without consuming it.
// expect: ok: doubled
#include "check.h"

int main(void) {
  int a[2], b[2];
  char text[8];
  CHECK(pipe(a) == 0 && pipe(b) == 0);
  CHECK(write(a[1], "hello", 5) == 5);
  CHECK(tee(a[0], b[1], 100, 0) == 5);
  CHECK(read(b[0], text, 8) == 5 && memcmp(text, "hello", 5) == 0);
  CHECK(read(a[0], text, 8) == 5 && memcmp(text, "hello", 5) == 0);
  CHECK_FAILS(tee(a[0], b[1], 1, SPLICE_F_NONBLOCK), EAGAIN);
  CHECK_FAILS(tee(a[0], a[1], 1, 0), EINVAL);
  puts("ok: doubled");
}
