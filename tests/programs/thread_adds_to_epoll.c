// A thread adds a descriptor that is ready to a set that another thread waits at: that one is told of it at once, with its data.
// build: -pthread
// expect: ok: added by another thread
#include <pthread.h>
#include <sys/epoll.h>

#include "check.h"

enum { kRounds = 400 };

struct Item {
  int magic, fd, round;
};

static int set, done[2];

static void* add(void* unused) {
  (void)unused;
  for (int i = 0; i < kRounds; i++) {
    struct Item item = {4711, -1, i};
    int ends[2];
    CHECK(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
    item.fd = ends[0];
    struct epoll_event event = {EPOLLIN, {.ptr = &item}};
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event) == 0);
    char c;
    CHECK(read(done[0], &c, 1) == 1);
    CHECK(item.magic == 4712);
    close(ends[0]);
    close(ends[1]);
  }
  return NULL;
}

int main(void) {
  pthread_t thread;
  set = epoll_create1(0);
  CHECK(set >= 0 && pipe(done) == 0);
  CHECK(pthread_create(&thread, NULL, add, NULL) == 0);
  for (int i = 0; i < kRounds; i++) {
    struct epoll_event event;
    int n = epoll_wait(set, &event, 1, -1);
    CHECK(n == 1);
    struct Item* item = event.data.ptr;
    CHECK(item->magic == 4711 && item->round == i);
    CHECK(epoll_ctl(set, EPOLL_CTL_DEL, item->fd, NULL) == 0);
    item->magic = 4712;
    CHECK(write(done[1], "x", 1) == 1);
  }
  CHECK(pthread_join(thread, NULL) == 0);
  puts("ok: added by another thread");
}
