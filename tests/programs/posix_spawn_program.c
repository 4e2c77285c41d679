// posix_spawn starts a program with arguments and environment of the caller's choice.
// expect: spawned: one two
// expect: ok: spawned
#include <spawn.h>

#include "check.h"

int main(void) {
  char* arguments[] = {(char*)"sh", (char*)"-c",  (char*)"echo $WORD: $1 $2; exit 5",
                       (char*)"sh", (char*)"one", (char*)"two",
                       NULL};
  char* environment[] = {(char*)"WORD=spawned", NULL};
  pid_t child;
  CHECK(posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environment) == 0);
  CHECK(wait_for(child) == 5);
  puts("ok: spawned");
}
