// Closing any descriptor of a file drops the process' record locks, but not OFD locks.
// expect: ok: lock lost
#include "check.h"

static int child_can_lock(int command) {
  pid_t child = fork();
  if (child == 0) {
    int fd = open("file", O_RDWR);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    _exit(fcntl(fd, command, &lock) == 0 ? 0 : 1);
  }
  return wait_for(child) == 0;
}

int main(void) {
  put_file("file", "x");
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  int fd = open("file", O_RDWR);
  CHECK(fcntl(fd, F_SETLK, &lock) == 0 && !child_can_lock(F_SETLK));
  CHECK(close(open("file", O_RDONLY)) == 0);
  CHECK(child_can_lock(F_SETLK));
  CHECK(fcntl(fd, F_OFD_SETLK, &lock) == 0 && !child_can_lock(F_OFD_SETLK));
  CHECK(close(open("file", O_RDONLY)) == 0);
  CHECK(!child_can_lock(F_OFD_SETLK));
  CHECK(close(fd) == 0 && child_can_lock(F_OFD_SETLK));
  puts("ok: lock lost");
}
