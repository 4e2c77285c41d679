// An epoll descriptor inside another is ready when something inside it is.
// expect: ok: nested
#include <poll.h>
#include <sys/epoll.h>

#include "check.h"

int main(void) {
  int fds[2], inner = epoll_create1(0), outer = epoll_create1(0);
  CHECK(pipe(fds) == 0);
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = 11}, got;
  CHECK(epoll_ctl(inner, EPOLL_CTL_ADD, fds[0], &event) == 0);
  event.data.u32 = 22;
  CHECK(epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event) == 0);
  CHECK(epoll_wait(outer, &got, 1, 0) == 0);
  CHECK(write(fds[1], "x", 1) == 1);
  CHECK(epoll_wait(outer, &got, 1, -1) == 1 && got.data.u32 == 22);
  CHECK(epoll_wait(inner, &got, 1, -1) == 1 && got.data.u32 == 11);
  struct pollfd set = {outer, POLLIN, 0};
  CHECK(poll(&set, 1, -1) == 1 && set.revents == POLLIN);
  char c;
  CHECK(read(fds[0], &c, 1) == 1 && poll(&set, 1, 0) == 0);
  CHECK_FAILS(epoll_ctl(inner, EPOLL_CTL_ADD, outer, &event), ELOOP);
  puts("ok: nested");
}
