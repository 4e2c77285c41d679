// A static position-independent program relocates itself and runs.
// build: -static-pie -fPIE
// expect: ok: static pie
#include <sys/auxv.h>

#include "check.h"

static int (*const table[])(const char*) = {puts};  // needs a relocation

int main(void) {
  CHECK(getauxval(AT_BASE) == 0);
  CHECK((uintptr_t)&main > 0x10000000);  // not at a fixed low address
  pid_t child = fork();
  if (child == 0) {
    execl("/bin/true", "true", NULL);
    _exit(126);
  }
  CHECK(wait_for(child) == 0);
  table[0]("ok: static pie");
}
