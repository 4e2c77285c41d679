// A child's child's child: each level exits with one more than the level below.
// expect: ok: depth 5
#include "check.h"

static int descend(int levels) {
  if (levels == 0) return 0;
  pid_t parent = getpid(), child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    CHECK(getppid() == parent && getpid() != parent);
    _exit(descend(levels - 1));
  }
  return wait_for(child) + 1;
}

int main(void) {
  CHECK(descend(5) == 5);
  puts("ok: depth 5");
}
