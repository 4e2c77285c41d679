/* Answers every HTTP request on port ARGV[1] with one page. Needs nothing but itself: for images
 * without a shell. */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char kAnswer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\npage\n";

static void watch(int set, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0) _exit(2);
}

static int listen_on(int port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(fd, (struct sockaddr*)&address, sizeof address) != 0 || listen(fd, 128) != 0) _exit(3);
  return fd;
}

/* Requests are short and come whole. */
static void serve(int fd) {
  char request[4096];
  ssize_t got = read(fd, request, sizeof request);
  if (got <= 0 || write(fd, kAnswer, sizeof kAnswer - 1) < 0) close(fd);
}

int main(int argc, char** argv) {
  int listening = listen_on(argc > 1 ? atoi(argv[1]) : 80), set = epoll_create1(0);
  watch(set, listening);
  for (;;) {
    struct epoll_event events[32];
    int n = epoll_wait(set, events, 32, -1);
    for (int i = 0; i < n; i++) {
      if (events[i].data.fd != listening) {
        serve(events[i].data.fd);
      } else {
        int fd = accept4(listening, 0, 0, SOCK_CLOEXEC);
        if (fd >= 0) watch(set, fd);
      }
    }
  }
}
