// Calls on descriptors that are closed or of the wrong kind fail with the right error.
// expect: ok: EBADF
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "check.h"

int main(void) {
  char c;
  struct stat info;
  CHECK_FAILS(read(99, &c, 1), EBADF);
  CHECK_FAILS(write(-1, &c, 1), EBADF);
  CHECK_FAILS(close(99), EBADF);
  CHECK_FAILS(fstat(99, &info), EBADF);
  CHECK_FAILS(dup(99), EBADF);
  CHECK_FAILS(fcntl(99, F_GETFL), EBADF);
  CHECK_FAILS(ioctl(99, FIONREAD, &c), EBADF);
  CHECK_FAILS(ftruncate(99, 0), EBADF);
  CHECK_FAILS(fchdir(99), EBADF);
  CHECK_FAILS(accept(99, NULL, NULL), EBADF);
  CHECK_FAILS(send(99, &c, 1, 0), EBADF);
  CHECK_FAILS(epoll_wait(99, (struct epoll_event[1]){}, 1, 0), EBADF);
  int file = open("file", O_RDWR | O_CREAT, 0644);
  CHECK_FAILS(send(file, &c, 1, 0), ENOTSOCK);
  CHECK_FAILS(listen(file, 1), ENOTSOCK);
  CHECK_FAILS(fchdir(file), ENOTDIR);
  CHECK_FAILS(epoll_wait(file, (struct epoll_event[1]){}, 1, 0), EINVAL);
  errno = 0;
  CHECK(mmap(NULL, 1, PROT_READ, MAP_SHARED, 99, 0) == MAP_FAILED && errno == EBADF);
  CHECK(close(file) == 0);
  CHECK_FAILS(close(file), EBADF);
  puts("ok: EBADF");
}
