// Threads open files of each version's own and shared ones, under the same numbers.
// build: -pthread
// expect: ok: files of threads
#include <pthread.h>

#include "check.h"

static void* run(void* argument) {
  char bytes[16];
  for (long i = 0; i < 200; i++) {
    int own = open((i + (long)argument) % 2 ? "/usr/lib/os-release" : "/etc/ld.so.cache", O_RDONLY);
    CHECK(own >= 3);
    CHECK(read(own, bytes, sizeof bytes) == sizeof bytes);
    CHECK(close(own) == 0);
    int shared = open("/dev/null", O_WRONLY);
    CHECK(shared >= 3);
    CHECK(write(shared, bytes, sizeof bytes) == sizeof bytes);
    CHECK(close(shared) == 0);
  }
  return argument;
}

int main(void) {
  pthread_t threads[4];
  for (long i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, run, (void*)i) == 0);
  for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  puts("ok: files of threads");
}
