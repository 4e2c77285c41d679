// Detached threads end by themselves; the last one to end is seen through a pipe.
// build: -pthread
// expect: ok: 10 detached threads
#include <pthread.h>

#include "check.h"

static int fds[2];

static void* run(void* number) {
  char c = (char)(intptr_t)number;
  CHECK(write(fds[1], &c, 1) == 1);
  return NULL;
}

int main(void) {
  pthread_attr_t detached;
  pthread_t thread;
  char sum = 0, c;
  CHECK(pipe(fds) == 0 && pthread_attr_init(&detached) == 0);
  CHECK(pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED) == 0);
  for (intptr_t i = 1; i <= 10; i++) CHECK(pthread_create(&thread, &detached, run, (void*)i) == 0);
  for (int i = 0; i < 10; i++, sum += c) CHECK(read(fds[0], &c, 1) == 1);
  CHECK(sum == 55);
  puts("ok: 10 detached threads");
}
