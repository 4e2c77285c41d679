// A listener and a connection opened before exec are served after it (a restart in place).
// expect: ok: served across exec
#include <arpa/inet.h>
#include <sys/socket.h>

#include "check.h"

int main(int argc, char** argv) {
  char c;
  if (argc == 2) {
    CHECK(read(4, &c, 1) == 1 && c == 'a' && write(5, "A", 1) == 1);
    int second = accept(3, NULL, NULL);
    CHECK(second == 7 && read(second, &c, 1) == 1 && c == 'b');
    CHECK(read(4, &c, 1) == 1 && c == 'A');
    puts("ok: served across exec");
    return 0;
  }
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(listener == 3);
  CHECK(bind(listener, (struct sockaddr*)&address, size) == 0 && listen(listener, 4) == 0);
  CHECK(getsockname(listener, (struct sockaddr*)&address, &size) == 0);
  int client = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(connect(client, (struct sockaddr*)&address, size) == 0);
  int server = accept(listener, NULL, NULL), waiting = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(connect(waiting, (struct sockaddr*)&address, size) == 0);
  CHECK(write(client, "a", 1) == 1 && write(waiting, "b", 1) == 1);
  CHECK(dup2(server, 100) == 100 && dup2(client, 5) == 5 && dup2(100, 4) == 4 && close(100) == 0);
  execl("/proc/self/exe", argv[0], "again", NULL);
  CHECK(!"exec failed");
}
