// An edge-triggered descriptor is reported once for each new arrival.
// expect: ok: edge triggered
#include <sys/epoll.h>

#include "check.h"

int main(void) {
  int fds[2], poller = epoll_create1(0);
  CHECK(pipe(fds) == 0);
  struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = fds[0]};
  CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, fds[0], &event) == 0);
  for (int i = 0; i < 5; i++) {
    CHECK(write(fds[1], "ab", 2) == 2);
    CHECK(epoll_wait(poller, &event, 1, -1) == 1 && event.data.fd == fds[0]);
    CHECK(epoll_wait(poller, &event, 1, 0) == 0);
  }
  char text[16];
  CHECK(read(fds[0], text, 16) == 10);
  CHECK(epoll_wait(poller, &event, 1, 0) == 0);
  puts("ok: edge triggered");
}
