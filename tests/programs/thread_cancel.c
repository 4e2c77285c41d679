// A blocked thread is cancelled; its clean-up runs.
// build: -pthread
// expect: ok: cancelled
#include <pthread.h>

#include "check.h"

static int fds[2], ready[2], cleaned;

static void clean(void* value) { cleaned = *(int*)value; }

static void* run(void* unused) {
  int value = 5;
  char c;
  pthread_cleanup_push(clean, &value);
  CHECK(write(ready[1], "r", 1) == 1);
  CHECK(read(fds[0], &c, 1) == 1);  // never
  pthread_cleanup_pop(0);
  return unused;
}

int main(void) {
  pthread_t thread;
  void* result;
  char c;
  CHECK(pipe(fds) == 0 && pipe(ready) == 0);
  CHECK(pthread_create(&thread, NULL, run, NULL) == 0);
  CHECK(read(ready[0], &c, 1) == 1);
  CHECK(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0);
  CHECK(result == PTHREAD_CANCELED && cleaned == 5);
  puts("ok: cancelled");
}
