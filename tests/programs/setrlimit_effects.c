// Limits hold: file size (SIGXFSZ), address space, and they pass to children.
// expect: ok: limits
#include <sys/mman.h>
#include <sys/resource.h>

#include "check.h"

int main(void) {
  struct rlimit limit = {4096, 8192}, got;
  int fd = open("file", O_WRONLY | O_CREAT, 0644);
  static char block[5000];
  CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  signal(SIGXFSZ, SIG_IGN);
  CHECK(write(fd, block, 5000) == 4096);
  CHECK_FAILS(write(fd, block, 1), EFBIG);
  pid_t child = fork();
  if (child == 0) {
    CHECK(getrlimit(RLIMIT_FSIZE, &got) == 0 && got.rlim_cur == 4096);
    signal(SIGXFSZ, SIG_DFL);
    CHECK(write(fd, block, 1) == 1);
  }
  CHECK(wait_for(child) == 128 + SIGXFSZ);
  limit = (struct rlimit){8192, 4096};
  CHECK_FAILS(setrlimit(RLIMIT_FSIZE, &limit), EINVAL);
  CHECK(prlimit(0, RLIMIT_CORE, NULL, &got) == 0 && got.rlim_cur == 0);
  limit = (struct rlimit){1 << 30, 1 << 30};
  CHECK(setrlimit(RLIMIT_DATA, &limit) == 0);
  errno = 0;
  CHECK(mmap(NULL, 2UL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
            MAP_FAILED &&
        errno == ENOMEM);
  puts("ok: limits");
}
