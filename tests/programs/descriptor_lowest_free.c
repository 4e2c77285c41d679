// A new descriptor of any kind gets the lowest free number.
// expect: ok: lowest number first
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "check.h"

int main(void) {
  int pair[2];
  CHECK(open(".", O_RDONLY) == 3 && eventfd(0, 0) == 4 && epoll_create1(0) == 5);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && pair[0] == 6 && pair[1] == 7);
  CHECK(close(3) == 0 && close(5) == 0);
  CHECK(pipe(pair) == 0 && pair[0] == 3 && pair[1] == 5);
  CHECK(socket(AF_INET, SOCK_DGRAM, 0) == 8);
  CHECK(close(4) == 0 && dup(8) == 4);
  CHECK(close(0) == 0 && open("/dev/null", O_RDONLY) == 0);
  CHECK(fcntl(8, F_DUPFD, 3) == 9);
  CHECK(close(2) == 0 && open("/dev/null", O_WRONLY) == 2);
  puts("ok: lowest number first");
}
