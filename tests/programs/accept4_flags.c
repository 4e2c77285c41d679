// accept4 sets non-blocking and close-on-exec; several clients wait in the queue in order.
// expect: ok: accepted 3
#include <arpa/inet.h>
#include <sys/socket.h>

#include "check.h"

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in peer, own;
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), clients[3];
  CHECK(bind(listener, (struct sockaddr*)&address, size) == 0 && listen(listener, 8) == 0);
  CHECK(getsockname(listener, (struct sockaddr*)&address, &size) == 0);
  CHECK_FAILS(accept(listener, NULL, NULL), EAGAIN);
  for (int i = 0; i < 3; i++) {
    clients[i] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(clients[i], (struct sockaddr*)&address, size) == 0);
  }
  for (int i = 0; i < 3; i++) {
    int server = accept4(listener, (struct sockaddr*)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(server == 7 + i && size == sizeof peer);
    CHECK(fcntl(server, F_GETFD) == FD_CLOEXEC && (fcntl(server, F_GETFL) & O_NONBLOCK));
    CHECK(getsockname(clients[i], (struct sockaddr*)&own, &size) == 0);
    CHECK(own.sin_port == peer.sin_port && own.sin_addr.s_addr == peer.sin_addr.s_addr);
    char c;
    CHECK_FAILS(read(server, &c, 1), EAGAIN);
  }
  CHECK_FAILS(accept4(listener, NULL, NULL, 0x1234), EINVAL);
  puts("ok: accepted 3");
}
