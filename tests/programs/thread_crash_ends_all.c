// A fault in a second thread ends the whole process.
// build: -pthread
// exit: 139
// expect: a thread will fault
#include <pthread.h>

#include "check.h"

static void* run(void* unused) {
  write_all(1, "a thread will fault\n", 20);
  *(volatile int*)16 = 1;
  return unused;
}

int main(void) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, run, NULL) == 0);
  for (;;) pause();
}
