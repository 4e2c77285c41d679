// abort() without a handler ends the program with SIGABRT.
// exit: 134
// expect: before abort
#include "check.h"

int main(void) {
  puts("before abort");
  fflush(stdout);
  abort();
}
