// What one thread left in memory before it wrote to a pipe, an eventfd or a socket is what another finds that has read it.
// build: -pthread
// expect: ok: 3 ways, 2000 rounds each
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "check.h"

enum { kRounds = 2000 };
static int told[2], answered[2], events, epoll, nowhere, way;
static volatile long left_in_memory;

// The eventfd does not block: its reader waits in epoll_wait.
static int heard(void) {
  uint64_t word;
  struct epoll_event e;
  if (way == 1) CHECK(epoll_wait(epoll, &e, 1, -1) == 1);
  return read(way == 1 ? events : told[0], &word, 8) == 8;
}

static void* listen_to(void* unused) {
  for (int i = 0; i < kRounds && heard(); i++) {
    const long found = left_in_memory;
    CHECK(write(nowhere, &found, sizeof found) == sizeof found);  // both versions' are compared
    CHECK(write(answered[1], "a", 1) == 1);
  }
  return unused;
}

static void talk(void) {
  const uint64_t one = 1;
  pthread_t listener;
  char c;
  CHECK(pthread_create(&listener, NULL, listen_to, NULL) == 0);
  for (int i = 0; i < kRounds; i++) {
    left_in_memory = i;
    CHECK(write(way == 1 ? events : told[1], &one, 8) == 8);
    CHECK(read(answered[0], &c, 1) == 1);
  }
  CHECK(pthread_join(listener, NULL) == 0);
}

int main(void) {
  CHECK((nowhere = open("/dev/null", O_WRONLY)) >= 0 && pipe(told) == 0 && pipe(answered) == 0);
  struct epoll_event e = {.events = EPOLLIN};
  talk();
  way = 1;
  CHECK((events = eventfd(0, EFD_NONBLOCK)) >= 0 && (epoll = epoll_create1(0)) >= 0);
  CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, events, &e) == 0);
  talk();
  way = 2;
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, told) == 0);
  talk();
  printf("ok: 3 ways, %d rounds each\n", kRounds);
}
