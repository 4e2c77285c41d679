// epoll watches the open file, not the number: a duplicate keeps it reported after close.
// expect: ok: still watched
#include <sys/epoll.h>

#include "check.h"

int main(void) {
  int fds[2], poller = epoll_create1(0);
  CHECK(pipe(fds) == 0);
  int copy = dup(fds[0]);
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = 5}, got;
  CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, fds[0], &event) == 0);
  CHECK(close(fds[0]) == 0 && write(fds[1], "x", 1) == 1);
  CHECK(epoll_wait(poller, &got, 1, -1) == 1 && got.data.u64 == 5);
  CHECK_FAILS(epoll_ctl(poller, EPOLL_CTL_DEL, copy, NULL), ENOENT);
  event.data.u64 = 6;
  CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, copy, &event) == 0);  // a second registration
  struct epoll_event both[4];
  CHECK(epoll_wait(poller, both, 4, -1) == 2 && both[0].data.u64 + both[1].data.u64 == 11);
  CHECK(close(copy) == 0 && epoll_wait(poller, both, 4, 0) == 0);
  puts("ok: still watched");
}
