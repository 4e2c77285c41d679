// A vfork child writes its parent's memory, and the parent waits until it is done.
// expect: ok: the child's write is seen
#include "check.h"

static volatile int value = 1;

int main(void) {
  pid_t child = vfork();
  if (child == 0) {
    value = 2;
    _exit(3);
  }
  CHECK(value == 2);
  CHECK(wait_for(child) == 3);
  puts("ok: the child's write is seen");
}
