// epoll_wait returns after its time when nothing happens, and takes at most what fits.
// expect: ok: waited
#include <sys/epoll.h>

#include "check.h"

int main(void) {
  int poller = epoll_create1(0), fds[2];
  struct epoll_event events[8];
  struct timespec before, after;
  CHECK(clock_gettime(CLOCK_MONOTONIC, &before) == 0);
  CHECK(epoll_wait(poller, events, 8, 30) == 0);
  CHECK(clock_gettime(CLOCK_MONOTONIC, &after) == 0);
  int64_t waited = (after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec;
  CHECK(waited >= 29000000);
  for (int i = 0; i < 6; i++) {
    CHECK(pipe(fds) == 0 && write(fds[1], "x", 1) == 1);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fds[0]};
    CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, fds[0], &event) == 0);
  }
  CHECK(epoll_wait(poller, events, 4, -1) == 4 && epoll_wait(poller, events, 8, -1) == 6);
  CHECK_FAILS(epoll_wait(poller, events, 0, 0), EINVAL);
  struct timespec at_once = {0, 0};
  CHECK(syscall(SYS_epoll_pwait2, poller, events, 8, &at_once, NULL, 8) == 6);
  puts("ok: waited");
}
