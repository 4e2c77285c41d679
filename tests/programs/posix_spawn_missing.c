// posix_spawn returns the error of the exec that failed, and leaves no child.
// expect: ok: spawn failed as it should
#include <spawn.h>

#include "check.h"

int main(void) {
  char* arguments[] = {(char*)"x", NULL};
  pid_t child;
  CHECK(posix_spawn(&child, "/no/such/program", NULL, NULL, arguments, NULL) == ENOENT);
  put_file("plain", "not a program");
  CHECK(posix_spawn(&child, "./plain", NULL, NULL, arguments, NULL) == EACCES);
  CHECK(chmod("plain", 0755) == 0);
  CHECK(posix_spawn(&child, "./plain", NULL, NULL, arguments, NULL) == ENOEXEC);
  CHECK(posix_spawnp(&child, "no-such-program", NULL, NULL, arguments, NULL) == ENOENT);
  CHECK_FAILS(wait(NULL), ECHILD);
  puts("ok: spawn failed as it should");
}
