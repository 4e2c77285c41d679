// A thread that waits for another one (a futex, no event) takes a signal.
// build: -pthread
// expect: ok: taken 3 times
#include <pthread.h>
#include <semaphore.h>

#include "check.h"

static int pipe_ends[2];
static sem_t taken;
static pthread_t first;
static volatile int count;

static void take(int sig) {
  CHECK(sig == SIGUSR1 && pthread_equal(pthread_self(), first));
  count++;
  sem_post(&taken);
}

static void* work(void* unused) {
  char c;
  for (int i = 0; i < 3; i++) {
    CHECK(write(pipe_ends[1], "x", 1) == 1 && read(pipe_ends[0], &c, 1) == 1);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    while (sem_wait(&taken) != 0) CHECK(errno == EINTR);
  }
  return unused;
}

int main(void) {
  pthread_t worker;
  sigset_t all, old;
  struct sigaction action = {.sa_handler = take, .sa_flags = SA_RESTART};
  first = pthread_self();
  CHECK(pipe(pipe_ends) == 0 && sem_init(&taken, 0, 0) == 0 &&
        sigaction(SIGUSR1, &action, NULL) == 0);
  sigfillset(&all);
  CHECK(pthread_sigmask(SIG_SETMASK, &all, &old) == 0);
  CHECK(pthread_create(&worker, NULL, work, NULL) == 0);
  CHECK(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
  CHECK(pthread_join(worker, NULL) == 0 && count == 3);
  puts("ok: taken 3 times");
}
