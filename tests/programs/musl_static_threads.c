// A static musl program with threads, posix_spawn and locks.
// build: musl -static -pthread
// expect: ok: 20000
#include <pthread.h>
#include <spawn.h>

#include "check.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int counter;

static void* count(void* unused) {
  for (int i = 0; i < 5000; i++) {
    pthread_mutex_lock(&lock);
    counter++;
    pthread_mutex_unlock(&lock);
  }
  return unused;
}

int main(void) {
  pthread_t threads[4];
  char* arguments[] = {"true", NULL};
  pid_t child;
  CHECK(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, NULL) == 0);
  CHECK(wait_for(child) == 0);
  CHECK(posix_spawn(&child, "/no/such/program", NULL, NULL, arguments, NULL) == ENOENT);
  for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, count, NULL) == 0);
  for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  printf("ok: %d\n", counter);
}
