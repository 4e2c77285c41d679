// One epoll loop serves ten clients in child processes at once.
// expect: ok: 10 clients, 100 requests
#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "check.h"

static void be_client(struct sockaddr_in* address, int number) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), reply;
  CHECK(connect(fd, (struct sockaddr*)address, sizeof *address) == 0);
  for (int i = 0; i < 10; i++) {
    int request = number * 100 + i;
    write_all(fd, &request, sizeof request);
    read_all(fd, &reply, sizeof reply);
    CHECK(reply == request * 2);
  }
  _exit(0);
}

static void add(int poller, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0);
}

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0), poller = epoll_create1(0), closed = 0, served = 0;
  CHECK(bind(listener, (struct sockaddr*)&address, size) == 0 && listen(listener, 16) == 0);
  CHECK(getsockname(listener, (struct sockaddr*)&address, &size) == 0);
  pid_t children[10];
  for (int i = 0; i < 10; i++)
    if ((children[i] = fork()) == 0) be_client(&address, i);
  add(poller, listener);
  while (closed < 10) {
    struct epoll_event events[16];
    int count = epoll_wait(poller, events, 16, -1), request;
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        add(poller, accept(listener, NULL, NULL));
      } else if (read(fd, &request, sizeof request) == sizeof request) {
        request *= 2, served++;
        write_all(fd, &request, sizeof request);
      } else {
        CHECK(close(fd) == 0 && ++closed > 0);
      }
    }
  }
  for (int i = 0; i < 10; i++) CHECK(wait_for(children[i]) == 0);
  printf("ok: %d clients, %d requests\n", closed, served);
}
