// A child waits on the epoll set its parent made, and changes it for both.
// expect: ok: shared epoll set
#include <sys/epoll.h>

#include "check.h"

int main(void) {
  int a[2], b[2], poller = epoll_create1(0);
  CHECK(pipe(a) == 0 && pipe(b) == 0);
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1}, got;
  CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, a[0], &event) == 0);
  pid_t child = fork();
  if (child == 0) {
    char c;
    CHECK(epoll_wait(poller, &got, 1, -1) == 1 && got.data.u64 == 1);
    CHECK(read(a[0], &c, 1) == 1);
    event.data.u64 = 2;
    CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, b[0], &event) == 0);
    CHECK(write(b[1], "y", 1) == 1);
    _exit(0);
  }
  CHECK(write(a[1], "x", 1) == 1);
  CHECK(wait_for(child) == 0);
  CHECK(epoll_wait(poller, &got, 1, -1) == 1 && got.data.u64 == 2);
  puts("ok: shared epoll set");
}
