// The main thread ends by pthread_exit; the process goes on until the last thread ends.
// build: -pthread
// exit: 0
// expect: main is leaving
// expect: ok: the other thread is still here
#include <pthread.h>

#include "check.h"

static pthread_t main_thread;

static void* run(void* unused) {
  CHECK(pthread_join(main_thread, NULL) == 0);
  CHECK(getpid() != gettid());
  write_all(1, "ok: the other thread is still here\n", 35);
  return unused;
}

int main(void) {
  pthread_t thread;
  write_all(1, "main is leaving\n", 16);
  main_thread = pthread_self();
  CHECK(pthread_create(&thread, NULL, run, NULL) == 0);
  pthread_exit(NULL);
}
