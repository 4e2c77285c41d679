// A one-shot descriptor is reported once, and again after EPOLL_CTL_MOD.
// expect: ok: one shot
#include <sys/epoll.h>

#include "check.h"

int main(void) {
  int fds[2], poller = epoll_create1(0);
  CHECK(pipe(fds) == 0);
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u32 = 1}, got;
  CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, fds[0], &event) == 0);
  CHECK(write(fds[1], "abc", 3) == 3);
  for (unsigned i = 1; i <= 3; i++) {
    CHECK(epoll_wait(poller, &got, 1, -1) == 1 && got.data.u32 == i);
    CHECK(epoll_wait(poller, &got, 1, 0) == 0);
    event.data.u32 = i + 1;
    CHECK(epoll_ctl(poller, EPOLL_CTL_MOD, fds[0], &event) == 0);
  }
  puts("ok: one shot");
}
