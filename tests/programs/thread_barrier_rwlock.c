// Threads meet at a barrier; a read-write lock lets readers share and writers be alone.
// build: -pthread
// expect: ok: barrier and read-write lock
#include <pthread.h>

#include "check.h"

static pthread_barrier_t barrier;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static int arrived, serial, a, b;

static void* run(void* unused) {
  __atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
  if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
    __atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
  CHECK(__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) == 4);
  for (int i = 0; i < 500; i++) {
    pthread_rwlock_rdlock(&lock);
    CHECK(a == b);
    pthread_rwlock_unlock(&lock);
    pthread_rwlock_wrlock(&lock);
    a++, b++;
    pthread_rwlock_unlock(&lock);
  }
  return unused;
}

int main(void) {
  pthread_t threads[4];
  CHECK(pthread_barrier_init(&barrier, NULL, 4) == 0);
  for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, run, NULL) == 0);
  for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK(serial == 1 && a == 2000 && b == 2000);
  puts("ok: barrier and read-write lock");
}
