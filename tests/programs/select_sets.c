// select marks the ready descriptors and clears the others; time left is counted down.
// expect: ok: selected
#include <sys/select.h>

#include "check.h"

int main(void) {
  int a[2], b[2];
  CHECK(pipe(a) == 0 && pipe(b) == 0 && write(b[1], "x", 1) == 1);
  fd_set reading, writing;
  FD_ZERO(&reading);
  FD_ZERO(&writing);
  FD_SET(a[0], &reading);
  FD_SET(b[0], &reading);
  FD_SET(a[1], &writing);
  CHECK(select(10, &reading, &writing, NULL, NULL) == 2);
  CHECK(!FD_ISSET(a[0], &reading) && FD_ISSET(b[0], &reading) && FD_ISSET(a[1], &writing));
  FD_ZERO(&reading);
  FD_SET(a[0], &reading);
  struct timeval left = {0, 10000};
  CHECK(select(10, &reading, NULL, NULL, &left) == 0 && left.tv_sec == 0 && left.tv_usec == 0);
  CHECK(!FD_ISSET(a[0], &reading));
  FD_SET(50, &reading);  // below 64: the kernel may ignore what is beyond its table
  CHECK_FAILS(select(51, &reading, NULL, NULL, NULL), EBADF);
  CHECK(close(a[1]) == 0);
  FD_ZERO(&reading);
  FD_SET(a[0], &reading);
  CHECK(select(10, &reading, NULL, NULL, NULL) == 1 && FD_ISSET(a[0], &reading));
  puts("ok: selected");
}
