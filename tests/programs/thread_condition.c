// Producer and consumer meet through a condition variable, in order.
// build: -pthread
// expect: ok: 1000 items in order
#include <pthread.h>

#include "check.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int slot, full;

static void* produce(void* unused) {
  for (int i = 0; i < 1000; i++) {
    pthread_mutex_lock(&lock);
    while (full) pthread_cond_wait(&changed, &lock);
    slot = i, full = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
  }
  return unused;
}

int main(void) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, produce, NULL) == 0);
  for (int i = 0; i < 1000; i++) {
    pthread_mutex_lock(&lock);
    while (!full) pthread_cond_wait(&changed, &lock);
    CHECK(slot == i);
    full = 0;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
  }
  CHECK(pthread_join(thread, NULL) == 0);
  struct timespec past = {1, 0};
  pthread_mutex_lock(&lock);
  CHECK(pthread_cond_timedwait(&changed, &lock, &past) == ETIMEDOUT);
  puts("ok: 1000 items in order");
}
