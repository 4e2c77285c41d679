// Four threads take jobs under a semaphore that they try to get without waiting, as python's locks do.
// Who gets it decides who does the job.
// build: -pthread
// expect: ok: 400 jobs
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include "check.h"

enum { kThreads = 4, kJobs = 400 };
static sem_t lock;
static int next_job, pipes[kThreads][2];

static int take_job(void) {
  while (sem_trywait(&lock) != 0) {
    CHECK(errno == EAGAIN);
    sched_yield();
  }
  int job = next_job < kJobs ? next_job++ : -1;
  CHECK(sem_post(&lock) == 0);
  return job;
}

// What each thread did goes through a pipe of its own.
static void* work(void* number) {
  int* pipe = pipes[(long)number];
  long sum = 0;
  for (int job; (job = take_job()) >= 0;) {
    int seen = -1;
    CHECK(write(pipe[1], &job, sizeof job) == sizeof job);
    CHECK(read(pipe[0], &seen, sizeof seen) == sizeof seen && seen == job);
    sum += seen;
  }
  return (void*)sum;
}

int main(void) {
  pthread_t threads[kThreads];
  CHECK(sem_init(&lock, 0, 1) == 0);
  for (long i = 0; i < kThreads; i++) CHECK(pipe(pipes[i]) == 0);
  for (long i = 0; i < kThreads; i++) CHECK(pthread_create(&threads[i], NULL, work, (void*)i) == 0);
  long sum = 0;
  for (int i = 0; i < kThreads; i++) {
    void* part;
    CHECK(pthread_join(threads[i], &part) == 0);
    sum += (long)part;
  }
  CHECK(sum == (long)kJobs * (kJobs - 1) / 2);
  printf("ok: %d jobs\n", next_job);
}
