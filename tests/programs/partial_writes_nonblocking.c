// A non-blocking socket takes part of a large write; the rest goes when there is room.
// expect: ok: 2 MiB in parts
#include <poll.h>
#include <sys/socket.h>

#include "check.h"

enum { SIZE = 2 << 20 };
static unsigned char data[SIZE];

int main(void) {
  int pair[2], parts = 0;
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  for (int i = 0; i < SIZE; i++) data[i] = (unsigned char)(i * 31 >> 3);
  pid_t child = fork();
  if (child == 0) {
    static unsigned char got[SIZE];
    close(pair[0]);
    read_all(pair[1], got, SIZE);
    _exit(memcmp(got, data, SIZE) == 0 && read(pair[1], got, 1) == 0 ? 0 : 1);
  }
  close(pair[1]);
  CHECK(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
  for (size_t done = 0; done < SIZE;) {
    struct pollfd set = {pair[0], POLLOUT, 0};
    CHECK(poll(&set, 1, -1) == 1 && set.revents == POLLOUT);
    ssize_t n = write(pair[0], data + done, SIZE - done);
    CHECK(n > 0 || (n == -1 && errno == EAGAIN));
    if (n > 0) done += (size_t)n, parts++;
  }
  CHECK(parts > 1 && close(pair[0]) == 0 && wait_for(child) == 0);
  puts("ok: 2 MiB in parts");
}
