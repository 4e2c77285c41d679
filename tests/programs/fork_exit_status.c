// Every exit status from 0 to 255 reaches the parent; higher bits are cut.
// expect: ok: statuses 0 to 255
#include "check.h"

int main(void) {
  for (int status = 0; status < 256; status += 15) {
    pid_t child = fork();
    if (child == 0) _exit(status);
    CHECK(wait_for(child) == status);
  }
  pid_t child = fork();
  if (child == 0) _exit(0x1234);
  CHECK(wait_for(child) == 0x34);
  child = fork();
  if (child == 0) _exit(-1);
  CHECK(wait_for(child) == 255);
  CHECK_FAILS(wait(NULL), ECHILD);
  puts("ok: statuses 0 to 255");
}
