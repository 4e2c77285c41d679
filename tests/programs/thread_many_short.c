// Three hundred threads, ten at a time, each makes a few calls and ends.
// build: -pthread
// expect: ok: 300 threads
#include <pthread.h>

#include "check.h"

static int made;

static void* run(void* unused) {
  int fd = open("/dev/null", O_WRONLY);
  CHECK(fd >= 3 && write(fd, "x", 1) == 1 && close(fd) == 0);
  __atomic_add_fetch(&made, 1, __ATOMIC_SEQ_CST);
  return unused;
}

int main(void) {
  pthread_t threads[10];
  for (int round = 0; round < 30; round++) {
    for (int i = 0; i < 10; i++) CHECK(pthread_create(&threads[i], NULL, run, NULL) == 0);
    for (int i = 0; i < 10; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  }
  printf("ok: %d threads\n", made);
}
