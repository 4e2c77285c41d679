// EPOLL_CTL_ADD, MOD and DEL, their errors, and a closed descriptor that vanishes by itself.
// expect: ok: changed
#include <sys/epoll.h>
#include <sys/socket.h>

#include "check.h"

int main(void) {
  int pair[2], poller = epoll_create1(0);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1}, got;
  CHECK_FAILS(epoll_ctl(poller, EPOLL_CTL_MOD, pair[0], &event), ENOENT);
  CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, pair[0], &event) == 0);
  CHECK_FAILS(epoll_ctl(poller, EPOLL_CTL_ADD, pair[0], &event), EEXIST);
  CHECK(epoll_wait(poller, &got, 1, 0) == 0);
  event = (struct epoll_event){.events = EPOLLIN | EPOLLOUT, .data.u64 = 2};
  CHECK(epoll_ctl(poller, EPOLL_CTL_MOD, pair[0], &event) == 0);
  CHECK(epoll_wait(poller, &got, 1, -1) == 1 && got.events == EPOLLOUT && got.data.u64 == 2);
  CHECK(epoll_ctl(poller, EPOLL_CTL_DEL, pair[0], NULL) == 0);
  CHECK_FAILS(epoll_ctl(poller, EPOLL_CTL_DEL, pair[0], NULL), ENOENT);
  CHECK(epoll_wait(poller, &got, 1, 0) == 0);
  CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, pair[0], &event) == 0 && close(pair[0]) == 0);
  CHECK(epoll_wait(poller, &got, 1, 0) == 0);
  CHECK(dup(pair[1]) == pair[0] && epoll_wait(poller, &got, 1, 0) == 0);  // same number, new file
  CHECK_FAILS(epoll_ctl(poller, EPOLL_CTL_ADD, poller, &event), EINVAL);
  CHECK_FAILS(epoll_ctl(poller, EPOLL_CTL_ADD, open(".", O_RDONLY), &event), EPERM);
  puts("ok: changed");
}
