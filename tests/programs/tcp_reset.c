// Closing with unread data or with SO_LINGER 0 resets the connection.
// expect: ok: reset
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "check.h"

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(bind(listener, (struct sockaddr*)&address, size) == 0 && listen(listener, 2) == 0);
  CHECK(getsockname(listener, (struct sockaddr*)&address, &size) == 0);
  for (int round = 0; round < 2; round++) {
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(client, (struct sockaddr*)&address, size) == 0);
    int server = accept(listener, NULL, NULL);
    struct linger at_once = {1, 0};
    if (round == 0) CHECK(write(client, "unread", 6) == 6);
    if (round == 1) CHECK(setsockopt(server, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    struct pollfd set = {client, POLLIN, 0}, arrived = {server, POLLIN, 0};
    if (round == 0) CHECK(poll(&arrived, 1, 5000) == 1);
    CHECK(close(server) == 0);
    CHECK(poll(&set, 1, 5000) == 1 && (set.revents & POLLHUP) && (set.revents & POLLERR));
    char c;
    CHECK_FAILS(read(client, &c, 1), ECONNRESET);
    CHECK(read(client, &c, 1) == 0);
    CHECK(close(client) == 0);
  }
  puts("ok: reset");
}
