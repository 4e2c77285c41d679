// Priority, affinity and group of a thread and of the process, by their ids: before and after the leader's death.
// build: -pthread
// expect: ok: 40 rounds
#include <pthread.h>
#include <sys/resource.h>

#include "check.h"

static int to_worker[2], to_main[2];
static pid_t worker_id;

static void* work(void* unused) {
  char c;
  worker_id = (pid_t)syscall(SYS_gettid);
  CHECK(write(to_main[1], "i", 1) == 1);
  while (read(to_worker[0], &c, 1) == 1) {
    pthread_attr_t attributes;  // asks for the thread's affinity
    CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
    pthread_attr_destroy(&attributes);
    c = (char)getpriority(PRIO_PROCESS, 0);
    CHECK(write(to_main[1], &c, 1) == 1);
  }
  return unused;
}

int main(void) {
  pthread_t worker;
  char c;
  CHECK(pipe(to_worker) == 0 && pipe(to_main) == 0);
  CHECK(pthread_create(&worker, NULL, work, NULL) == 0);
  CHECK(read(to_main[0], &c, 1) == 1);
  cpu_set_t all, now;
  CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
  for (int i = 0; i < 40; i++) {
    const int nice = i / 3;
    CHECK(setpriority(PRIO_PROCESS, (id_t)worker_id, nice) == 0);
    CHECK(getpriority(PRIO_PROCESS, (id_t)worker_id) == nice);
    CHECK(sched_setaffinity(worker_id, sizeof all, &all) == 0);
    CHECK(sched_getaffinity(worker_id, sizeof now, &now) == 0 && CPU_EQUAL(&all, &now));
    CHECK(sched_getscheduler(getpid()) == SCHED_OTHER);
    CHECK(getpgid(getpid()) == getpgrp() && getsid(getpid()) == getsid(0));
    CHECK(write(to_worker[1], "g", 1) == 1 && read(to_main[0], &c, 1) == 1 && c == nice);
  }
  close(to_worker[1]);
  CHECK(pthread_join(worker, NULL) == 0);
  puts("ok: 40 rounds");
}
