// A second fault inside the fault handler ends the program.
// exit: 139
// expect: in the handler
#include "check.h"

static void handle(int signal) {
  (void)signal;
  write_all(1, "in the handler\n", 15);
  *(volatile int*)32 = 1;
}

int main(void) {
  on_signal(SIGSEGV, handle, 0);
  *(volatile int*)16 = 1;
}
