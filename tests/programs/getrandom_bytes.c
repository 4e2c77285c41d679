// getrandom and /dev/urandom give full buffers that differ from call to call.
// expect: ok: random bytes
#include <sys/random.h>

#include "check.h"

int main(void) {
  char a[64] = {0}, b[64] = {0}, c[64] = {0};
  CHECK(getrandom(a, 64, 0) == 64 && getrandom(b, 64, GRND_NONBLOCK) == 64);
  int fd = open("/dev/urandom", O_RDONLY);
  CHECK(read(fd, c, 64) == 64);
  CHECK(memcmp(a, b, 64) != 0 && memcmp(a, c, 64) != 0 && memcmp(b, c, 64) != 0);
  CHECK(getentropy(a, 16) == 0);
  CHECK(getrandom(a, 0, 0) == 0);
  CHECK_FAILS(getrandom(a, 1, 0xff00), EINVAL);
  // A decision that depends on a random byte: both versions must take the same one.
  int count = 1 + (unsigned char)b[0] % 16, file = open("out", O_WRONLY | O_CREAT, 0644);
  for (int i = 0; i < count; i++) CHECK(write(file, &b[i], 1) == 1);
  CHECK(lseek(file, 0, SEEK_CUR) == count && unlink("out") == 0);
  puts("ok: random bytes");
}
