// Output buffered before fork is written by both processes, as stdio has it.
// expect: buffered
// expect: child
// expect: buffered
// expect: parent
#include "check.h"

int main(void) {
  static char buffer[1024];
  CHECK(setvbuf(stdout, buffer, _IOFBF, sizeof buffer) == 0);
  puts("buffered");
  pid_t child = fork();
  puts(child == 0 ? "child" : "parent");
  if (child != 0) CHECK(wait_for(child) == 0);
  return 0;
}
