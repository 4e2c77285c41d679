// Output without a last newline, written in pieces of one byte, comes complete.
// args: 9
// expect: 123456789
#include "check.h"

int main(int argc, char** argv) {
  CHECK(argc == 2);
  setbuf(stdout, NULL);
  for (int i = 1; i <= atoi(argv[1]); i++) putchar('0' + i);
  CHECK(write(1, "\n", 1) == 1);
}
