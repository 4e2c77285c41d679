// A thread waits for a condition only if a flag, which is set without the lock, is not there yet.
// expect: 300 rounds
#include <pthread.h>
#include <stdatomic.h>

#include "check.h"

enum { ROUNDS = 300 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static atomic_int ready;
static int acknowledged[2];

static struct timespec in_a_millisecond(void) {
  struct timespec at;
  clock_gettime(CLOCK_REALTIME, &at);
  at.tv_nsec += 1000000;
  if (at.tv_nsec >= 1000000000) at = (struct timespec){at.tv_sec + 1, at.tv_nsec - 1000000000};
  return at;
}

static void* consumer(void* unused) {
  for (int round = 1; round <= ROUNDS; round++) {
    pthread_mutex_lock(&lock);
    while (atomic_load(&ready) < round) {
      struct timespec limit = in_a_millisecond();
      pthread_cond_timedwait(&changed, &lock, &limit);
    }
    pthread_mutex_unlock(&lock);
    CHECK(write(acknowledged[1], &round, sizeof round) == sizeof round);
  }
  return unused;
}

int main(void) {
  pthread_t thread;
  CHECK(pipe(acknowledged) == 0 && pthread_create(&thread, NULL, consumer, NULL) == 0);
  for (int round = 1, seen; round <= ROUNDS; round++) {
    for (volatile int spin = 0; spin < round * 97 % 20000; spin++) continue;
    atomic_store(&ready, round);
    pthread_cond_signal(&changed);
    if (round % 3 == 0) sched_yield();
    if (round % 2) continue;
    for (int k = round - 1; k <= round; k++)
      CHECK(read(acknowledged[0], &seen, sizeof seen) == sizeof seen && seen == k);
  }
  pthread_join(thread, NULL);
  printf("%d rounds\n", ROUNDS);
}
