// preadv2/pwritev2 take an offset or -1 for the file's own, and RWF_APPEND.
// expect: ok: flags on one write
#include <sys/uio.h>

#include "check.h"

int main(void) {
  put_file("file", "0123456789");
  int fd = open("file", O_RDWR);
  char text[4];
  struct iovec in = {text, 4}, out = {(void*)"abc", 3};
  CHECK(preadv2(fd, &in, 1, 6, 0) == 4 && memcmp(text, "6789", 4) == 0);
  CHECK(preadv2(fd, &in, 1, -1, 0) == 4 && memcmp(text, "0123", 4) == 0);
  CHECK(lseek(fd, 0, SEEK_CUR) == 4);
  CHECK(pwritev2(fd, &out, 1, 0, RWF_APPEND) == 3);
  CHECK(pwritev(fd, &out, 1, 1) == 3);
  CHECK(file_is("file", "0abc456789abc"));
  CHECK_FAILS(preadv2(fd, &in, 1, 0, 0x40000000), EOPNOTSUPP);
  puts("ok: flags on one write");
}
