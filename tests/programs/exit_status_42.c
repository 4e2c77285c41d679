// The program's own exit status reaches its caller.
// exit: 42
// expect: about to exit with 42
#include "check.h"

int main(void) {
  puts("about to exit with 42");
  return 42;
}
