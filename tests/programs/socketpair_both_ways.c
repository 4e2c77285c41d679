// A socket pair carries data both ways and tells when the other end closed.
// expect: ok: both ways
#include <sys/socket.h>

#include "check.h"

int main(void) {
  int pair[2];
  char text[8];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
  CHECK(fcntl(pair[0], F_GETFD) == FD_CLOEXEC);
  CHECK(send(pair[0], "abc", 3, 0) == 3 && send(pair[1], "xyz", 3, 0) == 3);
  CHECK(recv(pair[1], text, 8, 0) == 3 && memcmp(text, "abc", 3) == 0);
  CHECK(recv(pair[0], text, 8, 0) == 3 && memcmp(text, "xyz", 3) == 0);
  CHECK_FAILS(recv(pair[0], text, 8, MSG_DONTWAIT), EAGAIN);
  CHECK(close(pair[1]) == 0);
  CHECK(recv(pair[0], text, 8, 0) == 0);
  CHECK_FAILS(send(pair[0], "x", 1, MSG_NOSIGNAL), EPIPE);
  puts("ok: both ways");
}
