// At exec the descriptors with close-on-exec are gone and the others keep number and offset.
// expect: ok: only inherited descriptors remain
#include "check.h"

int main(int argc, char** argv) {
  char c;
  if (argc == 2) {
    CHECK(fcntl(4, F_GETFD) == 0 && read(4, &c, 1) == 1 && c == '2');
    CHECK_FAILS(fcntl(3, F_GETFD), EBADF);
    CHECK_FAILS(fcntl(5, F_GETFD), EBADF);
    CHECK(fcntl(6, F_GETFD) == 0 && write(6, "x", 1) == 1);
    puts("ok: only inherited descriptors remain");
    return 0;
  }
  put_file("file", "0123");
  CHECK(open("file", O_RDONLY | O_CLOEXEC) == 3 && open("file", O_RDONLY) == 4);
  int pipes[2];
  CHECK(read(4, &c, 1) == 1 && read(4, &c, 1) == 1);
  CHECK(pipe2(pipes, O_CLOEXEC) == 0 && pipes[0] == 5);
  CHECK(dup2(5, 7) == 7 && fcntl(6, F_SETFD, 0) == 0);
  execl("/proc/self/exe", argv[0], "again", NULL);
  CHECK(!"exec failed");
}
