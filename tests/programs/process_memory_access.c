// process_vm_readv and writev reach into a child's memory.
// expect: ok: reached in
#include <sys/uio.h>

#include "check.h"

static char text[16] = "original";

int main(void) {
  int go[2];
  CHECK(pipe(go) == 0);
  pid_t child = fork();
  if (child == 0) {
    char c;
    CHECK(read(go[0], &c, 1) == 1);
    _exit(strcmp(text, "CHANGED!") == 0 ? 0 : 1);
  }
  char got[16] = "";
  struct iovec here = {got, 9}, there = {text, 9};
  CHECK(process_vm_readv(child, &here, 1, &there, 1, 0) == 9 && strcmp(got, "original") == 0);
  strcpy(got, "CHANGED!");
  CHECK(process_vm_writev(child, &here, 1, &there, 1, 0) == 9 && strcmp(text, "original") == 0);
  there.iov_base = (void*)16;
  CHECK_FAILS(process_vm_readv(child, &here, 1, &there, 1, 0), EFAULT);
  CHECK(write(go[1], "x", 1) == 1 && wait_for(child) == 0);
  puts("ok: reached in");
}
