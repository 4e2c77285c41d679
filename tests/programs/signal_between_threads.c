// tgkill and pthread_kill reach the thread they name.
// build: -pthread
// expect: ok: each thread got its own
#include <pthread.h>
#include <semaphore.h>

#include "check.h"

static __thread volatile sig_atomic_t mine;
static sem_t ready, done;

static void handle(int signal) {
  (void)signal;
  mine++;
}

static void* run(void* tid) {
  sigset_t none;
  sigemptyset(&none);
  *(pid_t*)tid = gettid();
  sem_post(&ready);
  while (mine < 2) sigsuspend(&none);
  sem_post(&done);
  return NULL;
}

int main(void) {
  pthread_t threads[3];
  pid_t tids[3];
  CHECK(sem_init(&ready, 0, 0) == 0 && sem_init(&done, 0, 0) == 0);
  on_signal(SIGUSR1, handle, 0);
  on_signal(SIGUSR2, handle, 0);
  mask_signal(SIG_BLOCK, SIGUSR1);
  mask_signal(SIG_BLOCK, SIGUSR2);
  for (int i = 0; i < 3; i++) CHECK(pthread_create(&threads[i], NULL, run, &tids[i]) == 0);
  for (int i = 0; i < 3; i++) CHECK(sem_wait(&ready) == 0);
  for (int i = 0; i < 3; i++) {
    CHECK(syscall(SYS_tgkill, getpid(), tids[i], SIGUSR1) == 0);
    CHECK(pthread_kill(threads[i], SIGUSR2) == 0);
    CHECK(sem_wait(&done) == 0);
  }
  for (int i = 0; i < 3; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK(mine == 0);
  CHECK_FAILS(syscall(SYS_tgkill, getpid(), tids[0], SIGUSR1), ESRCH);
  puts("ok: each thread got its own");
}
