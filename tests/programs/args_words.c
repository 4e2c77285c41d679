// Arguments arrive unchanged.
// args: one "two words" '' --flag=x
// expect: 4 arguments: [one] [two words] [] [--flag=x]
#include "check.h"

int main(int argc, char** argv) {
  printf("%d arguments:", argc - 1);
  for (int i = 1; i < argc; i++) printf(" [%s]", argv[i]);
  puts("");
}
