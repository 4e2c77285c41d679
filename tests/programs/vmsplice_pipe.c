// vmsplice puts memory into a pipe and takes it out again.
// expect: ok: memory through a pipe
#include <sys/uio.h>

#include "check.h"

int main(void) {
  int fds[2];
  char in[16] = "";
  struct iovec out[2] = {{(void*)"vmsplice ", 9}, {(void*)"works", 5}}, back = {in, 16};
  CHECK(pipe(fds) == 0);
  CHECK(vmsplice(fds[1], out, 2, 0) == 14);
  CHECK(vmsplice(fds[0], &back, 1, 0) == 14 && strcmp(in, "vmsplice works") == 0);
  CHECK_FAILS(vmsplice(fds[0], &back, 1, SPLICE_F_NONBLOCK), EAGAIN);
  CHECK_FAILS(vmsplice(0, out, 2, 0), EBADF);
  puts("ok: memory through a pipe");
}
