// A thread with the smallest stack makes calls, handles a signal and returns.
// build: -pthread
// expect: ok: 16 KiB are enough
#include <limits.h>
#include <pthread.h>

#include "check.h"

static volatile int handled;
static void handle(int signal) { handled = signal; }

static void* run(void* unused) {
  CHECK(pthread_kill(pthread_self(), SIGUSR1) == 0 && handled == SIGUSR1);
  int fd = open("file", O_WRONLY | O_CREAT, 0644);
  for (int i = 0; i < 100; i++) CHECK(write(fd, "x", 1) == 1);
  CHECK(close(fd) == 0);
  return unused;
}

int main(void) {
  pthread_attr_t small;
  pthread_t thread;
  on_signal(SIGUSR1, handle, 0);
  CHECK(pthread_attr_init(&small) == 0 && pthread_attr_setstacksize(&small, 16384) == 0);
  CHECK(pthread_create(&thread, &small, run, NULL) == 0 && pthread_join(thread, NULL) == 0);
  CHECK(pthread_attr_setstacksize(&small, 100) == EINVAL);
  puts("ok: 16 KiB are enough");
}
