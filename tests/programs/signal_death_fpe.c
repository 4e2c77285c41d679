// An unhandled division by zero ends the program.
// exit: 136
// expect: before the division
#include "check.h"

static volatile int zero;

int main(void) {
  puts("before the division");
  fflush(stdout);
  __asm__ volatile("idivl %0" ::"m"(zero), "a"(1), "d"(0));
}
