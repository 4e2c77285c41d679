// A stream socket at a path: bind makes a socket file, connect finds it, names are known.
// expect: ok: unix stream
#include <sys/socket.h>
#include <sys/un.h>

#include "check.h"

int main(void) {
  struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "socket"}, peer;
  socklen_t size = sizeof peer;
  int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK_FAILS(connect(client, (struct sockaddr*)&name, sizeof name), ENOENT);
  CHECK(bind(listener, (struct sockaddr*)&name, sizeof name) == 0);
  CHECK_FAILS(connect(client, (struct sockaddr*)&name, sizeof name), ECONNREFUSED);
  CHECK(listen(listener, 1) == 0);
  CHECK(connect(client, (struct sockaddr*)&name, sizeof name) == 0);
  int server = accept(listener, (struct sockaddr*)&peer, &size);
  CHECK(server == 5 && size == sizeof(sa_family_t));
  size = sizeof peer;
  CHECK(getpeername(client, (struct sockaddr*)&peer, &size) == 0);
  CHECK(strcmp(peer.sun_path, "socket") == 0);
  char text[8];
  CHECK(write(client, "ping", 4) == 4 && read(server, text, 8) == 4);
  CHECK(write(server, "pong", 4) == 4 && read(client, text, 8) == 4);
  CHECK(close(server) == 0 && read(client, text, 8) == 0);
  puts("ok: unix stream");
}
