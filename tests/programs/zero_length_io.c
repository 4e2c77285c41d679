// Reads and writes of no bytes succeed, change nothing, and do not touch the buffer.
// expect: ok: nothing moved
#include <sys/socket.h>
#include <sys/uio.h>

#include "check.h"

int main(void) {
  int fd = open("file", O_RDWR | O_CREAT, 0644), pair[2];
  CHECK(write(fd, NULL, 0) == 0 && read(fd, NULL, 0) == 0);
  CHECK(writev(fd, NULL, 0) == 0 && pwrite(fd, NULL, 0, 100) == 0);
  struct stat info;
  CHECK(fstat(fd, &info) == 0 && info.st_size == 0);
  CHECK(write(1, "", 0) == 0);
  CHECK_FAILS(write(99, "", 0), EBADF);
  CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
  char c = 'x';
  CHECK(send(pair[0], "", 0, 0) == 0);  // an empty datagram is one
  CHECK(recv(pair[1], &c, 1, 0) == 0 && c == 'x');
  CHECK_FAILS(recv(pair[1], &c, 1, MSG_DONTWAIT), EAGAIN);
  puts("ok: nothing moved");
}
