// A program that limits its own address space (vsftpd, openssh) has what it asked for, and no more than that.
// expect: ok: address space
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "check.h"

static int fits(size_t bytes) {
  void* at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return 0;
  CHECK(munmap(at, bytes) == 0);
  return 1;
}

int main(void) {
  const rlim_t kMost = 300u << 20;
  struct rlimit limit, now;
  CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
  CHECK(limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > kMost);
  limit.rlim_cur = kMost;
  CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
  CHECK(getrlimit(RLIMIT_AS, &now) == 0 && now.rlim_cur == kMost && now.rlim_max == limit.rlim_max);
  CHECK(fits(100u << 20));
  CHECK(!fits(32ul << 30) && errno == ENOMEM);
  limit.rlim_cur = limit.rlim_max = kMost;
  CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
  CHECK(getrlimit(RLIMIT_AS, &now) == 0 && now.rlim_cur == kMost && now.rlim_max == kMost);
  CHECK(fits(100u << 20));
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) _exit(fits(100u << 20) ? 7 : 1);
  int status;
  CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
  puts("ok: address space");
}
