// A program whose standard output is closed sees EBADF and goes on.
// expect-stderr: standard output: Bad file descriptor
#include "check.h"

int main(void) {
  CHECK(close(1) == 0);
  CHECK_FAILS(write(1, "lost\n", 5), EBADF);
  puts("lost");
  if (fflush(stdout) != 0) fprintf(stderr, "standard output: %s\n", strerror(errno));
  CHECK(open("file", O_WRONLY | O_CREAT, 0644) == 1);
  CHECK(write(1, "into the file\n", 14) == 14);
}
