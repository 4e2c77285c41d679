// Three children accept on one listener, as a preforking web server; SIGTERM ends them.
// expect: ok: 12 requests, 3 workers ended
#include <arpa/inet.h>
#include <sys/socket.h>

#include "check.h"

static void serve(int listener) {
  for (;;) {
    char c;
    int connection = accept(listener, NULL, NULL);
    CHECK(connection == 4);
    CHECK(read(connection, &c, 1) == 1);
    c = (char)(c + 1);
    CHECK(write(connection, &c, 1) == 1 && close(connection) == 0);
  }
}

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(bind(listener, (struct sockaddr*)&address, size) == 0 && listen(listener, 16) == 0);
  CHECK(getsockname(listener, (struct sockaddr*)&address, &size) == 0);
  pid_t workers[3];
  for (int i = 0; i < 3; i++)
    if ((workers[i] = fork()) == 0) serve(listener);
  for (int i = 0; i < 12; i++) {
    int client = socket(AF_INET, SOCK_STREAM, 0);
    char c = (char)('a' + i);
    CHECK(connect(client, (struct sockaddr*)&address, size) == 0);
    CHECK(write(client, &c, 1) == 1);
    CHECK(read(client, &c, 1) == 1 && c == 'b' + i);
    CHECK(read(client, &c, 1) == 0 && close(client) == 0);
  }
  for (int i = 0; i < 3; i++) CHECK(kill(workers[i], SIGTERM) == 0);
  for (int i = 0; i < 3; i++) CHECK(wait_for(workers[i]) == 128 + SIGTERM);
  puts("ok: 12 requests, 3 workers ended");
}
