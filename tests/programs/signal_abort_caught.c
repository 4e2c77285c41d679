// A SIGABRT handler runs before abort ends the program, or escapes it by siglongjmp.
// exit: 134
// expect: escaped
// expect: in the handler
#include <setjmp.h>

#include "check.h"

static sigjmp_buf back;
static volatile sig_atomic_t escape = 1;

static void handle(int signal) {
  (void)signal;
  if (escape) siglongjmp(back, 1);
  write_all(1, "in the handler\n", 15);
}

int main(void) {
  on_signal(SIGABRT, handle, 0);
  if (sigsetjmp(back, 1) == 0) abort();
  write_all(1, "escaped\n", 8);
  escape = 0;
  abort();
}
