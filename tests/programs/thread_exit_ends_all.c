// exit in a second thread ends the whole process with its status.
// build: -pthread
// exit: 23
// expect: leaving from a thread
#include <pthread.h>

#include "check.h"

static void* run(void* unused) {
  puts("leaving from a thread");
  exit(23);
  return unused;
}

int main(void) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, run, NULL) == 0);
  for (;;) pause();
}
