// A thread rings a bell (a pipe, an eventfd) only if the other one has said, in memory, that it is about to sleep (haproxy, libuv).
// expect: 500 items in order
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include "check.h"

enum { ITEMS = 500 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int queue[ITEMS], queued, bell[2], counter, answers[2];
static atomic_int asleep;

static int take(int taken) {
  pthread_mutex_lock(&lock);
  const int now = queued;
  pthread_mutex_unlock(&lock);
  for (int k = taken; k < now; k++)
    CHECK(write(answers[1], &queue[k], sizeof queue[k]) == sizeof queue[k]);
  return now;
}

static void* loop(void* unused) {
  for (int taken = 0; taken < ITEMS;) {
    const int now = take(taken);
    if (now == taken) {
      atomic_store(&asleep, 1);
      struct pollfd fds[] = {{bell[0], POLLIN, 0}, {counter, POLLIN, 0}};
      char rung[64];
      poll(fds, 2, 1);
      for (int k = 0; k < 2; k++) CHECK(!fds[k].revents || read(fds[k].fd, rung, sizeof rung) > 0);
      atomic_store(&asleep, 0);
    }
    taken = now;
  }
  return unused;
}

int main(void) {
  const uint64_t one = 1;
  pthread_t thread;
  CHECK(pipe2(bell, O_NONBLOCK | O_CLOEXEC) == 0 && pipe(answers) == 0 &&
        (counter = eventfd(0, EFD_CLOEXEC)) >= 0);
  CHECK(pthread_create(&thread, NULL, loop, NULL) == 0);
  for (int k = 0, answer; k < ITEMS; k++) {
    pthread_mutex_lock(&lock);
    queue[queued++] = k;
    pthread_mutex_unlock(&lock);
    for (volatile int spin = 0; spin < k * 97 % 5000; spin++) continue;
    if (atomic_exchange(&asleep, 0))
      CHECK(k % 2 ? write(bell[1], "!", 1) == 1 : write(counter, &one, 8) == 8);
    CHECK(k % 4 || (read(answers[0], &answer, sizeof answer) == sizeof answer));
  }
  pthread_join(thread, NULL);
  printf("%d items in order\n", ITEMS);
}
