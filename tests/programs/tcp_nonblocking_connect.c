// A non-blocking connect is in progress until the socket is writable; refusal is in SO_ERROR.
// expect: ok: connected later
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "check.h"

static int finish(int fd) {
  struct pollfd set = {fd, POLLOUT, 0};
  int error = -1;
  socklen_t size = sizeof error;
  CHECK(poll(&set, 1, 5000) == 1);
  CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0);
  return error;
}

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(bind(listener, (struct sockaddr*)&address, size) == 0);
  CHECK(getsockname(listener, (struct sockaddr*)&address, &size) == 0);
  for (int listening = 0; listening < 2; listening++) {
    int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listening) CHECK(listen(listener, 1) == 0);
    int result = connect(client, (struct sockaddr*)&address, size);
    CHECK(result == 0 || errno == EINPROGRESS || (!listening && errno == ECONNREFUSED));
    if (result == -1 && errno == EINPROGRESS)
      CHECK(finish(client) == (listening ? 0 : ECONNREFUSED));
    CHECK(close(client) == 0);
  }
  CHECK(accept(listener, NULL, NULL) == 4);
  puts("ok: connected later");
}
