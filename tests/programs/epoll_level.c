// A level-triggered descriptor is reported until it is drained.
// expect: ok: level triggered
#include <sys/epoll.h>

#include "check.h"

int main(void) {
  int fds[2], poller = epoll_create1(EPOLL_CLOEXEC);
  CHECK(pipe(fds) == 0);
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x123456789abcdef0};
  CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, fds[0], &event) == 0);
  CHECK(epoll_wait(poller, &event, 1, 0) == 0);
  CHECK(write(fds[1], "ab", 2) == 2);
  char c;
  for (int i = 0; i < 2; i++) {
    memset(&event, 0, sizeof event);
    CHECK(epoll_wait(poller, &event, 1, -1) == 1);
    CHECK(event.events == EPOLLIN && event.data.u64 == 0x123456789abcdef0);
    CHECK(read(fds[0], &c, 1) == 1);
  }
  CHECK(epoll_wait(poller, &event, 1, 0) == 0);
  CHECK(close(fds[1]) == 0);
  CHECK(epoll_wait(poller, &event, 1, -1) == 1 && event.events == EPOLLHUP);
  puts("ok: level triggered");
}
