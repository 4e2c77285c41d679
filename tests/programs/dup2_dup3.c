// dup2 closes its target; dup3 sets close-on-exec and refuses equal numbers.
// expect: ok: dup2 and dup3
#include "check.h"

int main(void) {
  int pipes[2];
  CHECK(pipe(pipes) == 0 && pipes[0] == 3 && pipes[1] == 4);
  put_file("file", "f");
  int fd = open("file", O_RDONLY);
  CHECK(fd == 5 && dup2(fd, 4) == 4);
  char c;
  CHECK(read(pipes[0], &c, 1) == 0);  // the only writer was number 4
  CHECK(read(4, &c, 1) == 1 && c == 'f');
  CHECK(dup2(4, 4) == 4 && fcntl(4, F_GETFD) == 0);
  CHECK_FAILS(dup3(4, 4, 0), EINVAL);
  CHECK(dup3(4, 100, O_CLOEXEC) == 100 && fcntl(100, F_GETFD) == FD_CLOEXEC);
  CHECK_FAILS(dup2(99, 5), EBADF);
  CHECK(fcntl(5, F_GETFD) == 0);  // a failed dup2 leaves its target alone
  CHECK(fcntl(4, F_DUPFD, 50) == 50 && fcntl(4, F_DUPFD_CLOEXEC, 50) == 51);
  CHECK(fcntl(50, F_GETFD) == 0 && fcntl(51, F_GETFD) == FD_CLOEXEC);
  puts("ok: dup2 and dup3");
}
