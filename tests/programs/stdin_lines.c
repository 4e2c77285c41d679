// Standard input is read to its end.
// stdin: first line
// stdin: second line
// expect: 1: first line
// expect: 2: second line
// expect: ok: end of input
#include "check.h"

int main(void) {
  char line[64];
  for (int i = 1; fgets(line, sizeof line, stdin); i++) printf("%d: %s", i, line);
  CHECK(feof(stdin) && !ferror(stdin));
  puts("ok: end of input");
}
