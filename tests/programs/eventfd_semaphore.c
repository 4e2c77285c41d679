// A semaphore eventfd hands out one at a time, across processes.
// expect: ok: 5 turns
#include <sys/eventfd.h>

#include "check.h"

int main(void) {
  int fd = eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC);
  uint64_t value = 5;
  pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < 5; i++) CHECK(read(fd, &value, 8) == 8 && value == 1);
    _exit(0);
  }
  CHECK(write(fd, &value, 8) == 8);
  CHECK(wait_for(child) == 0);
  CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
  CHECK_FAILS(read(fd, &value, 8), EAGAIN);
  puts("ok: 5 turns");
}
