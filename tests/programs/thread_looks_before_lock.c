// A thread that polls looks at a list without its lock before it takes that (icecast's fserve thread).
// expect: 400 items in order
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

enum { ITEMS = 400 };

struct item {
  struct item* next;
  int number;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct item* volatile pending;
static int done[2], idle[2];

static void* worker(void* unused) {
  int taken = 0;
  while (taken < ITEMS) {
    if (pending) {
      pthread_mutex_lock(&lock);
      struct item* list = pending;
      pending = NULL;
      pthread_mutex_unlock(&lock);
      for (struct item* next; list; list = next) {
        next = list->next;
        CHECK(write(done[1], &list->number, sizeof list->number) == sizeof list->number);
        free(list);
        taken++;
      }
    }
    struct pollfd fd = {idle[0], POLLIN, 0};
    CHECK(poll(&fd, 1, taken & 1) == 0);
  }
  return unused;
}

int main(void) {
  pthread_t thread;
  CHECK(pipe(done) == 0 && pipe(idle) == 0);
  CHECK(pthread_create(&thread, NULL, worker, NULL) == 0);
  for (int k = 0, number; k < ITEMS; k++) {
    struct item* item = malloc(sizeof *item);
    *item = (struct item){NULL, k};
    pthread_mutex_lock(&lock);
    item->next = pending;
    pending = item;
    pthread_mutex_unlock(&lock);
    CHECK(read(done[0], &number, sizeof number) == sizeof number && number == k);
  }
  pthread_join(thread, NULL);
  printf("%d items in order\n", ITEMS);
}
