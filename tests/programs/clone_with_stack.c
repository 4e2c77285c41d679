// clone() runs a function on a given stack, with shared memory or shared descriptors.
// expect: ok: cloned
#include "check.h"

static volatile int value;

static int child_main(void* argument) {
  value = *(int*)argument;
  CHECK(close(3) == 0);
  return value + 1;
}

int main(void) {
  char* stack = malloc(65536);
  int argument = 40;
  CHECK(open("/dev/null", O_RDONLY) == 3);
  pid_t child = clone(child_main, stack + 65536, SIGCHLD, &argument);
  CHECK(wait_for(child) == 41 && value == 0 && fcntl(3, F_GETFD) == 0);
  child = clone(child_main, stack + 65536, CLONE_VM | CLONE_VFORK | SIGCHLD, &argument);
  CHECK(value == 40 && fcntl(3, F_GETFD) == 0);  // CLONE_VFORK: done before clone returns
  CHECK(wait_for(child) == 41);
  child = clone(child_main, stack + 65536, CLONE_FILES | SIGCHLD, &argument);
  CHECK(wait_for(child) == 41);
  CHECK_FAILS(fcntl(3, F_GETFD), EBADF);
  puts("ok: cloned");
}
