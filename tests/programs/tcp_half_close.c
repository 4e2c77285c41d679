// After shutdown for writing, the other direction still works; after both, the peer sees the end.
// expect: ok: half closed
#include <arpa/inet.h>
#include <sys/socket.h>

#include "check.h"

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(listen(listener, 1) == 0);  // an unbound listener gets a port of its own
  CHECK(getsockname(listener, (struct sockaddr*)&address, &size) == 0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(connect(client, (struct sockaddr*)&address, size) == 0);
  int server = accept(listener, NULL, NULL);
  char text[16];
  CHECK(write(client, "request", 7) == 7 && shutdown(client, SHUT_WR) == 0);
  CHECK_FAILS(send(client, "x", 1, MSG_NOSIGNAL), EPIPE);
  CHECK(read(server, text, 16) == 7 && read(server, text, 16) == 0);
  CHECK(write(server, "reply", 5) == 5 && read(client, text, 16) == 5);
  CHECK(shutdown(server, SHUT_RDWR) == 0 && read(client, text, 16) == 0);
  CHECK_FAILS(shutdown(listener, 99), EINVAL);
  puts("ok: half closed");
}
