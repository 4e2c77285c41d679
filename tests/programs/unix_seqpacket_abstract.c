// A sequenced-packet socket at an abstract name keeps records and the end of the connection.
// expect: ok: records
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "check.h"

int main(void) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0), client = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  socklen_t size = sizeof name;
  CHECK(bind(listener, (struct sockaddr*)&name, sizeof(sa_family_t)) == 0);  // kernel picks a name
  CHECK(getsockname(listener, (struct sockaddr*)&name, &size) == 0);
  CHECK(size == offsetof(struct sockaddr_un, sun_path) + 6 && name.sun_path[0] == 0);
  CHECK(listen(listener, 1) == 0 && connect(client, (struct sockaddr*)&name, size) == 0);
  int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  char text[16];
  CHECK(send(client, "one", 3, 0) == 3 && send(client, "three", 5, 0) == 5);
  CHECK(recv(server, text, 16, 0) == 3 && memcmp(text, "one", 3) == 0);
  CHECK(recv(server, text, 2, 0) == 2 && memcmp(text, "th", 2) == 0);
  CHECK_FAILS(recv(server, text, 16, MSG_DONTWAIT), EAGAIN);
  CHECK(close(client) == 0 && recv(server, text, 16, 0) == 0);
  puts("ok: records");
}
