// A program at a fixed address.
// build: -no-pie -fno-pie
// expect: ok: fixed address
#include "check.h"

int main(void) {
  CHECK((uintptr_t)&main < 0x1000000 && (uintptr_t)&main > 0x400000);
  put_file("file", "fixed");
  pid_t child = fork();
  if (child == 0) _exit(file_is("file", "fixed") ? 0 : 1);
  CHECK(wait_for(child) == 0);
  puts("ok: fixed address");
}
