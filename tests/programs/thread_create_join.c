// Threads run and hand back a value.
// build: -pthread
// expect: ok: 8 threads joined
#include <pthread.h>

#include "check.h"

static void* square(void* argument) {
  intptr_t n = (intptr_t)argument;
  return (void*)(n * n);
}

int main(void) {
  pthread_t threads[8];
  for (intptr_t i = 0; i < 8; i++) CHECK(pthread_create(&threads[i], NULL, square, (void*)i) == 0);
  for (intptr_t i = 0; i < 8; i++) {
    void* result;
    CHECK(pthread_join(threads[i], &result) == 0 && (intptr_t)result == i * i);
  }
  puts("ok: 8 threads joined");
}
