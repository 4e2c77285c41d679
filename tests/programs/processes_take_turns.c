// Workers get jobs and report results one at a time, by semaphores in shared memory.
// build: -pthread
// expect: ok: 2470
#include <semaphore.h>
#include <sys/mman.h>

#include "check.h"

static sem_t *takes, *reports;
static int jobs[2], results[2];

static void work(void) {
  for (;;) {
    long job;
    CHECK(sem_wait(takes) == 0);  // who has it waits for a job, and the others for it
    const ssize_t got = read(jobs[0], &job, sizeof job);
    CHECK(sem_post(takes) == 0);
    if (got == 0) _exit(0);
    job *= job;
    CHECK(sem_wait(reports) == 0);
    CHECK(write(results[1], &job, sizeof job) == sizeof job);
    CHECK(sem_post(reports) == 0);
  }
}

int main(void) {
  pid_t workers[3];
  long sum = 0;
  takes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  reports = takes + 1;
  CHECK(sem_init(takes, 1, 1) == 0 && sem_init(reports, 1, 1) == 0);
  CHECK(pipe(jobs) == 0 && pipe(results) == 0);
  for (int i = 0; i < 3; i++)
    if ((workers[i] = fork()) == 0) {
      close(jobs[1]);
      work();
    }
  for (long job = 0; job < 20; job++) {
    long result;
    CHECK(write(jobs[1], &job, sizeof job) == sizeof job);
    CHECK(read(results[0], &result, sizeof result) == sizeof result);
    sum += result;
  }
  close(jobs[1]);
  for (int i = 0; i < 3; i++) CHECK(wait_for(workers[i]) == 0);
  printf("ok: %ld\n", sum);
}
