// A statically linked program with threads and a signal handler.
// build: -static -pthread
// expect: ok: 4 static threads
#include <pthread.h>

#include "check.h"

static volatile sig_atomic_t handled;
static void handle(int signal) { handled = signal; }

static void* run(void* number) {
  char name[16];
  snprintf(name, sizeof name, "file-%d", (int)(intptr_t)number);
  put_file(name, "from a thread");
  return number;
}

int main(void) {
  pthread_t threads[4];
  on_signal(SIGUSR1, handle, 0);
  for (intptr_t i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, run, (void*)i) == 0);
  for (intptr_t i = 0; i < 4; i++) {
    void* result;
    CHECK(pthread_join(threads[i], &result) == 0 && result == (void*)i);
  }
  CHECK(raise(SIGUSR1) == 0 && handled == SIGUSR1 && file_is("file-3", "from a thread"));
  puts("ok: 4 static threads");
}
