// vfork then exec, as shells and build tools do; a failing exec ends in the child's _exit.
// expect: from echo
// expect: ok: vfork
#include "check.h"

int main(void) {
  pid_t child = vfork();
  if (child == 0) {
    execl("/bin/echo", "echo", "from", "echo", NULL);
    _exit(126);
  }
  CHECK(wait_for(child) == 0);
  child = vfork();
  if (child == 0) {
    execl("/no/such/program", "x", NULL);
    _exit(errno == ENOENT ? 127 : 1);
  }
  CHECK(wait_for(child) == 127);
  puts("ok: vfork");
}
