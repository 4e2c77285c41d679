// SIGKILL that the program sends itself ends it at once.
// exit: 137
// expect: before SIGKILL
#include "check.h"

int main(void) {
  puts("before SIGKILL");
  fflush(stdout);
  kill(getpid(), SIGKILL);
  puts("after SIGKILL");
}
