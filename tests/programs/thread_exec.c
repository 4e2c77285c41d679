// exec in a second thread replaces the whole process, which keeps its pid.
// build: -pthread
// expect: ok: replaced by a thread
#include <pthread.h>

#include "check.h"

static char pid[16], *name;

static void* run(void* unused) {
  CHECK(gettid() != getpid());
  execl("/proc/self/exe", name, pid, NULL);
  CHECK(!"exec failed");
  return unused;
}

int main(int argc, char** argv) {
  if (argc == 2) {
    CHECK(getpid() == atoi(argv[1]) && gettid() == getpid());
    puts("ok: replaced by a thread");
    return 0;
  }
  pthread_t thread;
  name = argv[0];
  snprintf(pid, sizeof pid, "%d", getpid());
  CHECK(pthread_create(&thread, NULL, run, NULL) == 0);
  for (;;) pause();
}
