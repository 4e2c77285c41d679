// writev gathers and readv scatters, empty pieces included.
// expect: one two three
// expect: ok: vectors
#include <sys/uio.h>

#include "check.h"

int main(void) {
  struct iovec out[4] = {{(void*)"one ", 4}, {NULL, 0}, {(void*)"two ", 4}, {(void*)"three\n", 6}};
  int fd = open("file", O_RDWR | O_CREAT, 0644);
  CHECK(writev(fd, out, 4) == 14);
  CHECK(writev(1, out, 4) == 14);
  CHECK(lseek(fd, 0, SEEK_SET) == 0);
  char a[3], b[5], c[20];
  struct iovec in[3] = {{a, 3}, {b, 5}, {c, 20}};
  CHECK(readv(fd, in, 3) == 14);
  CHECK(memcmp(a, "one", 3) == 0 && memcmp(b, " two ", 5) == 0 && memcmp(c, "three\n", 6) == 0);
  CHECK(readv(fd, in, 3) == 0);
  CHECK_FAILS(writev(fd, out, -1), EINVAL);
  puts("ok: vectors");
}
