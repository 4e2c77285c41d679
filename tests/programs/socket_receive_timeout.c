// SO_RCVTIMEO ends a blocked receive with EAGAIN.
// expect: ok: timed out
#include <sys/socket.h>
#include <sys/time.h>

#include "check.h"

int main(void) {
  int pair[2];
  char c;
  struct timeval limit = {0, 20000};
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  CHECK(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  struct timespec before, after;
  CHECK(clock_gettime(CLOCK_MONOTONIC, &before) == 0);
  CHECK_FAILS(recv(pair[0], &c, 1, 0), EAGAIN);
  CHECK(clock_gettime(CLOCK_MONOTONIC, &after) == 0);
  int64_t waited = (after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec;
  CHECK(waited >= 15000000);
  CHECK(send(pair[1], "x", 1, 0) == 1 && recv(pair[0], &c, 1, 0) == 1);
  puts("ok: timed out");
}
