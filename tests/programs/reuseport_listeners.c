// Two listeners share a port through SO_REUSEPORT; every client lands at one of them.
// expect: ok: 20 clients served
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "check.h"

static int listen_on(struct sockaddr_in* address, int share) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &share, sizeof share) == 0);
  if (bind(fd, (struct sockaddr*)address, sizeof *address) != 0) return -1;
  CHECK(listen(fd, 32) == 0);
  return fd;
}

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int a = listen_on(&address, 1), served = 0;
  CHECK(getsockname(a, (struct sockaddr*)&address, &size) == 0);
  int b = listen_on(&address, 1);
  CHECK(a >= 0 && b >= 0);
  CHECK_FAILS(listen_on(&address, 0), EADDRINUSE);
  for (int i = 0; i < 20; i++) {
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(client, (struct sockaddr*)&address, size) == 0);
  }
  struct pollfd set[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
  while (served < 20) {
    CHECK(poll(set, 2, 5000) > 0);
    for (int i = 0; i < 2; i++)
      if (set[i].revents & POLLIN) CHECK(accept(set[i].fd, NULL, NULL) >= 0 && ++served > 0);
  }
  CHECK(poll(set, 2, 0) == 0);
  puts("ok: 20 clients served");
}
