// Unix datagrams find a bound path and answer its sender.
// expect: ok: unix datagrams
#include <sys/socket.h>
#include <sys/un.h>

#include "check.h"

int main(void) {
  struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "a"};
  struct sockaddr_un b = {.sun_family = AF_UNIX, .sun_path = "b"}, from;
  socklen_t size = sizeof from;
  int x = socket(AF_UNIX, SOCK_DGRAM, 0), y = socket(AF_UNIX, SOCK_DGRAM, 0);
  CHECK(bind(x, (struct sockaddr*)&a, sizeof a) == 0);
  CHECK(bind(y, (struct sockaddr*)&b, sizeof b) == 0);
  int z = socket(AF_UNIX, SOCK_DGRAM, 0);
  CHECK_FAILS(bind(z, (struct sockaddr*)&a, sizeof a), EADDRINUSE);
  char text[16];
  CHECK(sendto(x, "hello", 5, 0, (struct sockaddr*)&b, sizeof b) == 5);
  CHECK(recvfrom(y, text, 16, 0, (struct sockaddr*)&from, &size) == 5);
  CHECK(strcmp(from.sun_path, "a") == 0);
  CHECK(sendto(y, "answer", 6, 0, (struct sockaddr*)&from, size) == 6);
  CHECK(recv(x, text, 16, 0) == 6 && memcmp(text, "answer", 6) == 0);
  CHECK(unlink("b") == 0);
  CHECK_FAILS(sendto(x, "x", 1, 0, (struct sockaddr*)&b, sizeof b), ENOENT);
  puts("ok: unix datagrams");
}
