// Bad pointers give EFAULT and nothing else happens.
// expect: ok: EFAULT
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "check.h"

int main(void) {
  int fds[2], pair[2];
  void* bad = (void*)16;
  CHECK(pipe(fds) == 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
  CHECK_FAILS(write(fds[1], bad, 5), EFAULT);
  CHECK(write(fds[1], "kept", 4) == 4);
  CHECK_FAILS(read(fds[0], bad, 4), EFAULT);
  CHECK_FAILS(open(bad, O_RDONLY), EFAULT);
  CHECK_FAILS(stat("/", bad), EFAULT);
  CHECK_FAILS(poll(bad, 1, 0), EFAULT);
  CHECK_FAILS(syscall(SYS_pipe2, bad, 0), EFAULT);
  CHECK_FAILS(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, bad), EFAULT);
  CHECK_FAILS(syscall(SYS_rt_sigaction, SIGUSR1, bad, NULL, 8), EFAULT);
  CHECK_FAILS(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad, NULL, 8), EFAULT);
  CHECK_FAILS(sendmsg(pair[0], bad, 0), EFAULT);
  CHECK_FAILS(syscall(SYS_getcwd, bad, 4096), EFAULT);
  // A buffer whose second page is missing: a pipe read gives what fits or an error, never a crash.
  char* page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(munmap(page + 4096, 4096) == 0);
  strcpy(page + 4091, "/dev");  // the terminating zero is the page's last byte
  struct stat info;
  CHECK(stat(page + 4091, &info) == 0);
  page[4095] = 'x';
  CHECK_FAILS(stat(page + 4091, &info), EFAULT);
  CHECK(pipe(fds) == 0);
  CHECK_FAILS(write(fds[1], page + 4096, 1), EFAULT);
  puts("ok: EFAULT");
}
