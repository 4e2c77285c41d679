// exec of a script starts its interpreter with the script's path and arguments.
// expect: script ./script got 2 arguments: a b
#include "check.h"

int main(void) {
  put_file("script", "#!/bin/sh -e\necho \"script $0 got $# arguments: $*\"\n");
  CHECK(chmod("script", 0755) == 0);
  execl("./script", "ignored", "a", "b", NULL);
  CHECK(!"exec failed");
}
