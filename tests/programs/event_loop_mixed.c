// One loop over a pipe, a socket, a timer, a signal and an event counter.
// expect: ok: one event of each kind
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "check.h"

int main(void) {
  int fds[5], pair[2], pipes[2], poller = epoll_create1(EPOLL_CLOEXEC), seen[5] = {0}, left = 5;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
  CHECK(pipe(pipes) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  fds[0] = pipes[0], fds[1] = pair[0];
  fds[2] = timerfd_create(CLOCK_MONOTONIC, 0);
  fds[3] = signalfd(-1, &set, 0);
  fds[4] = eventfd(0, 0);
  for (uint32_t i = 0; i < 5; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
    CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, fds[i], &event) == 0);
  }
  struct itimerspec once = {{0, 0}, {0, 10000000}};
  CHECK(timerfd_settime(fds[2], 0, &once, NULL) == 0);
  pid_t child = fork();
  if (child == 0) {
    CHECK(write(pipes[1], "p", 1) == 1 && write(pair[1], "s", 1) == 1);
    CHECK(eventfd_write(fds[4], 3) == 0);
    _exit(0);
  }
  while (left > 0) {
    struct epoll_event events[5];
    char buffer[256];
    int count = epoll_wait(poller, events, 5, -1);
    for (int i = 0; i < count; i++) {
      int kind = (int)events[i].data.u32;
      CHECK(kind < 5 && seen[kind]++ == 0 && left-- > 0);
      CHECK(read(fds[kind], buffer, sizeof buffer) > 0);
    }
  }
  CHECK(wait_for(child) == 0);
  puts("ok: one event of each kind");
}
