// Datagrams keep their borders, tell their sender, and too large ones are cut.
// expect: ok: datagrams
#include <arpa/inet.h>
#include <sys/socket.h>

#include "check.h"

int main(void) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, b = a;
  struct sockaddr_in from;
  socklen_t size = sizeof a;
  int x = socket(AF_INET, SOCK_DGRAM, 0), y = socket(AF_INET, SOCK_DGRAM, 0);
  CHECK(bind(x, (struct sockaddr*)&a, size) == 0 && bind(y, (struct sockaddr*)&b, size) == 0);
  CHECK(getsockname(x, (struct sockaddr*)&a, &size) == 0);
  CHECK(getsockname(y, (struct sockaddr*)&b, &size) == 0 && a.sin_port != b.sin_port);
  char text[32];
  CHECK(sendto(x, "first", 5, 0, (struct sockaddr*)&b, size) == 5);
  CHECK(sendto(x, "second one", 10, 0, (struct sockaddr*)&b, size) == 10);
  CHECK(recvfrom(y, text, 32, 0, (struct sockaddr*)&from, &size) == 5);
  CHECK(from.sin_port == a.sin_port && memcmp(text, "first", 5) == 0);
  CHECK(recv(y, text, 4, MSG_TRUNC) == 10 && memcmp(text, "seco", 4) == 0);
  CHECK(connect(y, (struct sockaddr*)&a, size) == 0);
  CHECK(send(y, "back", 4, 0) == 4 && recv(x, text, 32, 0) == 4);
  CHECK_FAILS(recv(x, text, 32, MSG_DONTWAIT), EAGAIN);
  CHECK_FAILS(sendto(x, text, 70000, 0, (struct sockaddr*)&b, size), EMSGSIZE);
  puts("ok: datagrams");
}
