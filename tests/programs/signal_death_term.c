// SIGTERM that the program sends itself ends it with 143.
// exit: 143
// expect: before SIGTERM
#include "check.h"

int main(void) {
  puts("before SIGTERM");
  fflush(stdout);
  kill(getpid(), SIGTERM);
  for (;;) pause();
}
