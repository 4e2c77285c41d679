// The stack grows to several MiB on demand, with calls at every depth.
// expect: ok: 6 MiB deep
#include "check.h"

static int __attribute__((noinline)) deepen(int depth) {
  volatile char space[65536];
  space[0] = space[65535] = (char)depth;
  CHECK(getppid() > 0);
  int result = depth == 0 ? 0 : deepen(depth - 1) + 1;
  CHECK(space[0] == (char)depth && space[65535] == (char)depth);
  return result;
}

int main(void) {
  CHECK(deepen(96) == 96);
  CHECK(deepen(96) == 96);
  puts("ok: 6 MiB deep");
}
