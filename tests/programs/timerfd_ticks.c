// A timerfd counts its expirations, once or repeatedly, and can be stopped.
// expect: ok: ticks
#include <poll.h>
#include <sys/timerfd.h>

#include "check.h"

int main(void) {
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  uint64_t ticks, total = 0;
  CHECK_FAILS(read(fd, &ticks, 8), EAGAIN);
  struct itimerspec once = {{0, 0}, {0, 5000000}}, every = {{0, 2000000}, {0, 1000000}}, now;
  CHECK(timerfd_settime(fd, 0, &once, NULL) == 0);
  struct pollfd set = {fd, POLLIN, 0};
  CHECK(poll(&set, 1, -1) == 1 && read(fd, &ticks, 8) == 8 && ticks == 1);
  CHECK(poll(&set, 1, 20) == 0);
  CHECK(timerfd_settime(fd, 0, &every, NULL) == 0);
  while (total < 5) {
    CHECK(poll(&set, 1, -1) == 1 && read(fd, &ticks, 8) == 8 && ticks >= 1);
    total += ticks;
  }
  CHECK(timerfd_gettime(fd, &now) == 0 && now.it_interval.tv_nsec == 2000000);
  struct itimerspec stop = {};
  CHECK(timerfd_settime(fd, 0, &stop, &now) == 0 && now.it_interval.tv_nsec == 2000000);
  struct itimerspec past = {{0, 0}, {0, 1}};
  CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &past, NULL) == 0);
  CHECK(poll(&set, 1, -1) == 1 && read(fd, &ticks, 8) == 8 && ticks == 1);
  puts("ok: ticks");
}
