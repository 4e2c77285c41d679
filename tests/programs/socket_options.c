// Socket options are kept and read back; unknown ones are refused.
// expect: ok: options
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "check.h"

static int get(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  CHECK(getsockopt(fd, level, option, &value, &size) == 0 && size == sizeof value);
  return value;
}

int main(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1, bytes = 8192;
  CHECK(get(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM && get(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET);
  CHECK(get(fd, SOL_SOCKET, SO_REUSEADDR) == 0);
  CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
  CHECK(get(fd, SOL_SOCKET, SO_REUSEADDR) == 1);
  CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
  CHECK(get(fd, IPPROTO_TCP, TCP_NODELAY) == 1);
  CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) == 0);
  CHECK(get(fd, SOL_SOCKET, SO_SNDBUF) == 2 * bytes);
  CHECK(get(fd, SOL_SOCKET, SO_ACCEPTCONN) == 0 && listen(fd, 1) == 0);
  CHECK(get(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1 && get(fd, SOL_SOCKET, SO_ERROR) == 0);
  CHECK_FAILS(setsockopt(fd, SOL_SOCKET, 9999, &on, sizeof on), ENOPROTOOPT);
  CHECK_FAILS(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, 1), EINVAL);
  CHECK_FAILS(socket(12345, SOCK_STREAM, 0), EAFNOSUPPORT);
  puts("ok: options");
}
