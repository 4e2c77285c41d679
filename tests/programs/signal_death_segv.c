// An unhandled SIGSEGV ends the program as natively.
// exit: 139
// expect: before the fault
#include "check.h"

int main(void) {
  puts("before the fault");
  fflush(stdout);
  *(volatile int*)16 = 1;
  puts("after the fault");
}
