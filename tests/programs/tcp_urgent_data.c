// Urgent data arrives out of band, is marked, and raises SIGURG.
// expect: ok: urgent
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "check.h"

static volatile sig_atomic_t urgent;
static void handle(int signal) { urgent = signal; }

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(bind(listener, (struct sockaddr*)&address, size) == 0 && listen(listener, 1) == 0);
  CHECK(getsockname(listener, (struct sockaddr*)&address, &size) == 0);
  CHECK(connect(client, (struct sockaddr*)&address, size) == 0);
  int server = accept(listener, NULL, NULL);
  on_signal(SIGURG, handle, SA_RESTART);
  CHECK(fcntl(server, F_SETOWN, getpid()) == 0);
  CHECK(send(client, "ab", 2, 0) == 2 && send(client, "!", 1, MSG_OOB) == 1);
  struct pollfd set = {server, POLLPRI, 0};
  int polled;
  do polled = poll(&set, 1, -1);
  while (polled == -1 && errno == EINTR);
  CHECK(polled == 1 && (set.revents & POLLPRI) && urgent == SIGURG);
  char text[8];
  CHECK(recv(server, text, 8, MSG_OOB) == 1 && text[0] == '!');
  CHECK(recv(server, text, 8, 0) == 2 && sockatmark(server) == 1);
  puts("ok: urgent");
}
