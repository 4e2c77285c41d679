// Thread-local variables and keys are each thread's own; key destructors run at thread exit.
// build: -pthread
// expect: ok: each its own
#include <pthread.h>

#include "check.h"

static __thread int local = 7;
static pthread_key_t key;
static int destroyed;

static void destroy(void* value) {
  __atomic_add_fetch(&destroyed, (int)(intptr_t)value, __ATOMIC_SEQ_CST);
}

static void* run(void* argument) {
  CHECK(local == 7 && pthread_getspecific(key) == NULL && errno == 0);
  local = (int)(intptr_t)argument;
  errno = local;
  CHECK(pthread_setspecific(key, argument) == 0);
  for (int i = 0; i < 100; i++) CHECK(sched_yield() == 0);
  CHECK(local == (intptr_t)argument && pthread_getspecific(key) == argument);
  CHECK(errno == local);
  return NULL;
}

int main(void) {
  pthread_t threads[5];
  CHECK(pthread_key_create(&key, destroy) == 0);
  for (intptr_t i = 0; i < 5; i++)
    CHECK(pthread_create(&threads[i], NULL, run, (void*)(i + 1)) == 0);
  for (int i = 0; i < 5; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK(local == 7 && destroyed == 15);
  puts("ok: each its own");
}
