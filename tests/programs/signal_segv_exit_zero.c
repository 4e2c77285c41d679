// A SIGSEGV handler reports and ends the program with status 0, as some servers do.
// expect: caught a fault, leaving
#include "check.h"

static void handle(int signal) {
  (void)signal;
  write_all(1, "caught a fault, leaving\n", 24);
  _exit(0);
}

int main(void) {
  on_signal(SIGSEGV, handle, 0);
  *(volatile int*)16 = 1;
  return 1;
}
