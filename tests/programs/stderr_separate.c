// Standard error and standard output are separate streams.
// expect: to standard output
// expect-stderr: to standard error
#include "check.h"

int main(void) {
  puts("to standard output");
  fputs("to standard error\n", stderr);
}
