// A TCP server in a child echoes what a client sends, until the client closes.
// expect: ok: echoed 50 messages
#include <arpa/inet.h>
#include <sys/socket.h>

#include "check.h"

static void serve(int listener) {
  char buffer[256];
  int connection = accept(listener, NULL, NULL);
  CHECK(connection >= 0);
  for (ssize_t n; (n = read(connection, buffer, sizeof buffer)) > 0;)
    write_all(connection, buffer, (size_t)n);
  _exit(0);
}

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(bind(listener, (struct sockaddr*)&address, size) == 0 && listen(listener, 5) == 0);
  CHECK(getsockname(listener, (struct sockaddr*)&address, &size) == 0 && address.sin_port != 0);
  pid_t child = fork();
  if (child == 0) serve(listener);
  CHECK(connect(client, (struct sockaddr*)&address, size) == 0);
  char sent[64], got[64];
  for (int i = 0; i < 50; i++) {
    int length = snprintf(sent, sizeof sent, "message number %d", i);
    write_all(client, sent, (size_t)length);
    read_all(client, got, (size_t)length);
    CHECK(memcmp(sent, got, (size_t)length) == 0);
  }
  CHECK(shutdown(client, SHUT_WR) == 0 && read(client, got, 1) == 0);
  CHECK(wait_for(child) == 0);
  puts("ok: echoed 50 messages");
}
