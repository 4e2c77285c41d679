// A record lock keeps a child out, tells who holds it, and a waiting child gets it at last.
// expect: ok: record locks
#include "check.h"

static int lock(int fd, int command, short type, off_t start, off_t length) {
  struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  return fcntl(fd, command, &lock);
}

int main(void) {
  int fd = open("file", O_RDWR | O_CREAT, 0644), ready[2];
  CHECK(pipe(ready) == 0);
  CHECK(write(fd, "0123456789", 10) == 10);
  CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 5) == 0);
  pid_t parent = getpid(), child = fork();
  if (child == 0) {
    struct flock query = {.l_type = F_WRLCK, .l_start = 2, .l_len = 1};
    CHECK_FAILS(lock(fd, F_SETLK, F_RDLCK, 4, 2), EAGAIN);
    CHECK(lock(fd, F_SETLK, F_WRLCK, 5, 5) == 0);
    CHECK(fcntl(fd, F_GETLK, &query) == 0 && query.l_type == F_WRLCK && query.l_pid == parent);
    CHECK(query.l_start == 0 && query.l_len == 5);
    CHECK(write(ready[1], "r", 1) == 1);
    CHECK(lock(fd, F_SETLKW, F_WRLCK, 0, 5) == 0);  // waits for the parent
    CHECK(pwrite(fd, "child", 5, 0) == 5);
    _exit(0);
  }
  char c;
  CHECK(read(ready[0], &c, 1) == 1);
  CHECK_FAILS(lock(fd, F_SETLK, F_WRLCK, 6, 1), EAGAIN);
  CHECK(pwrite(fd, "first", 5, 0) == 5);
  CHECK(lock(fd, F_SETLK, F_UNLCK, 0, 5) == 0);
  CHECK(wait_for(child) == 0);
  CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 0) == 0);
  CHECK(file_is("file", "child56789"));
  puts("ok: record locks");
}
