// epoll hands back the pointer the program registered, which points at its own object.
// expect: ok: pointers came back
#include <sys/epoll.h>

#include "check.h"

struct connection {
  int fd, peer, number;
};

int main(void) {
  int poller = epoll_create1(0), served = 0;
  struct connection* all[20];
  for (int i = 0; i < 20; i++) {
    int fds[2];
    CHECK(pipe(fds) == 0);
    all[i] = malloc(sizeof *all[i]);
    *all[i] = (struct connection){fds[0], fds[1], i};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = all[i]};
    CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, fds[0], &event) == 0);
  }
  for (int i = 0; i < 20; i++) CHECK(write(all[i]->peer, &i, sizeof i) == sizeof i);
  while (served < 20) {
    struct epoll_event events[7];
    int count = epoll_wait(poller, events, 7, -1), number;
    CHECK(count > 0);
    for (int i = 0; i < count; i++, served++) {
      struct connection* connection = events[i].data.ptr;
      CHECK(read(connection->fd, &number, sizeof number) == sizeof number);
      CHECK(number == connection->number && all[number] == connection);
    }
  }
  CHECK(epoll_wait(poller, (struct epoll_event[1]){}, 1, 0) == 0);
  puts("ok: pointers came back");
}
