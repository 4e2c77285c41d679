// Two threads take turns by semaphores and write in turn to one pipe.
// build: -pthread
// expect: ababababababababababababababababababababab
// expect: ok: 21 turns each
#include <pthread.h>
#include <semaphore.h>

#include "check.h"

static sem_t a_may, b_may;
static int fds[2];

static void* write_b(void* unused) {
  for (int i = 0; i < 21; i++) {
    CHECK(sem_wait(&b_may) == 0);
    CHECK(write(fds[1], "b", 1) == 1);
    CHECK(sem_post(&a_may) == 0);
  }
  return unused;
}

int main(void) {
  pthread_t thread;
  char text[43] = "";
  CHECK(pipe(fds) == 0 && sem_init(&a_may, 0, 1) == 0 && sem_init(&b_may, 0, 0) == 0);
  CHECK(pthread_create(&thread, NULL, write_b, NULL) == 0);
  for (int i = 0; i < 21; i++) {
    CHECK(sem_wait(&a_may) == 0);
    CHECK(write(fds[1], "a", 1) == 1);
    CHECK(sem_post(&b_may) == 0);
  }
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(read(fds[0], text, 42) == 42);
  CHECK_FAILS(sem_trywait(&b_may), EAGAIN);
  puts(text);
  puts("ok: 21 turns each");
}
