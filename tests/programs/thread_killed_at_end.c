// Signals for threads that are about to end: whether one is sent is decided under a lock of libc's own.
// build: -pthread
// expect: ok: threads were signalled
#include <pthread.h>

#include "check.h"

enum { kRounds = 300 };

static void nothing(int number) { (void)number; }

static void* run(void* argument) {
  for (volatile long i = 0; i < (long)argument * 97 % 5000; i++) {
  }
  return argument;
}

int main(void) {
  struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART};
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  for (long i = 0; i < kRounds; i++) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, run, (void*)i) == 0);
    for (int k = 0; k < 3; k++) {
      int error = pthread_kill(thread, SIGUSR1);
      CHECK(error == 0 || error == ESRCH);
    }
    CHECK(pthread_join(thread, NULL) == 0);
  }
  puts("ok: threads were signalled");
}
