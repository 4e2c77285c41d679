// The largest number of pieces goes in one writev; one more is refused.
// expect: ok: 1024 pieces
#include <sys/uio.h>

#include "check.h"

int main(void) {
  static struct iovec pieces[1025];
  static char text[1025], back[1024];
  for (int i = 0; i < 1025; i++) {
    text[i] = (char)('a' + i % 26);
    pieces[i] = (struct iovec){&text[i], 1};
  }
  int fd = open("file", O_RDWR | O_CREAT, 0644);
  CHECK(writev(fd, pieces, 1024) == 1024);
  CHECK(pread(fd, back, 1024, 0) == 1024 && memcmp(text, back, 1024) == 0);
  CHECK_FAILS(writev(fd, pieces, 1025), EINVAL);
  pieces[1].iov_len = (size_t)-1;
  CHECK_FAILS(writev(fd, pieces, 2), EINVAL);
  puts("ok: 1024 pieces");
}
