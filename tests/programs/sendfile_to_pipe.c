// sendfile copies from a file to a pipe, from the file's offset or a given one.
// expect: ok: sent
#include <sys/sendfile.h>

#include "check.h"

int main(void) {
  put_file("file", "0123456789");
  int fd = open("file", O_RDONLY), fds[2];
  char text[16];
  off_t offset = 6;
  CHECK(pipe(fds) == 0);
  CHECK(sendfile(fds[1], fd, NULL, 3) == 3 && lseek(fd, 0, SEEK_CUR) == 3);
  CHECK(sendfile(fds[1], fd, &offset, 100) == 4 && offset == 10);
  CHECK(lseek(fd, 0, SEEK_CUR) == 3);
  CHECK(sendfile(fds[1], fd, &offset, 100) == 0);
  CHECK(read(fds[0], text, 16) == 7 && memcmp(text, "0126789", 7) == 0);
  CHECK_FAILS(sendfile(fds[1], fds[0], NULL, 1), EINVAL);
  puts("ok: sent");
}
