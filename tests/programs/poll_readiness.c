// poll reports reading, writing, hang-up and bad numbers, and skips negative ones.
// expect: ok: poll
#include <poll.h>

#include "check.h"

int main(void) {
  int fds[2];
  CHECK(pipe(fds) == 0);
  struct pollfd set[4] = {
      {fds[0], POLLIN, 0}, {fds[1], POLLOUT, 0}, {-1, POLLIN, 77}, {99, POLLIN, 0}};
  CHECK(poll(set, 1, 0) == 0 && set[0].revents == 0);
  CHECK(poll(set, 4, -1) == 2);
  CHECK(set[1].revents == POLLOUT && set[2].revents == 0 && set[3].revents == POLLNVAL);
  CHECK(write(fds[1], "x", 1) == 1);
  CHECK(poll(set, 1, -1) == 1 && set[0].revents == POLLIN);
  CHECK(close(fds[1]) == 0);
  CHECK(poll(set, 1, -1) == 1 && set[0].revents == (POLLIN | POLLHUP));
  CHECK(poll(NULL, 0, 1) == 0);
  puts("ok: poll");
}
