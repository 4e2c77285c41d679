// Threads hand work to each other by address through a blocking pipe, as pdns does.
// build: -pthread
// expect: ok: handed over 2000
#include <pthread.h>

#include "check.h"

enum { kWriters = 2, kEach = 1000 };

struct Work {
  int magic, number;
};

static int ends[2];

static void* hand_over(void* first) {
  for (int i = 0; i < kEach; i++) {
    struct Work* work = malloc(sizeof *work);
    *work = (struct Work){4711, (int)(long)first + i};
    CHECK(write(ends[1], &work, sizeof work) == sizeof work);
  }
  return NULL;
}

int main(void) {
  pthread_t threads[kWriters];
  long sum = 0;
  CHECK(pipe(ends) == 0 && fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096);
  for (long i = 0; i < kWriters; i++)
    CHECK(pthread_create(&threads[i], NULL, hand_over, (void*)(i * kEach)) == 0);
  for (int i = 0; i < kWriters * kEach; i++) {
    struct Work* work;
    CHECK(read(ends[0], &work, sizeof work) == sizeof work);
    CHECK(work->magic == 4711);
    sum += work->number;
    free(work);
  }
  CHECK(sum == (long)kWriters * kEach * (kWriters * kEach - 1) / 2);
  for (int i = 0; i < kWriters; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  puts("ok: handed over 2000");
}
