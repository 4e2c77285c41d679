// nice, getpriority, scheduling policy and processor affinity are kept and inherited.
// expect: ok: scheduling
#include <sys/resource.h>

#include "check.h"

int main(void) {
  int start = getpriority(PRIO_PROCESS, 0);
  CHECK(setpriority(PRIO_PROCESS, 0, 0) == 0 && start >= -20);
  CHECK(nice(3) == 3 && getpriority(PRIO_PROCESS, 0) == 3);
  CHECK(setpriority(PRIO_PROCESS, 0, 5) == 0 && getpriority(PRIO_PROCESS, getpid()) == 5);
  cpu_set_t before, one, now;
  CHECK(sched_getaffinity(0, sizeof before, &before) == 0);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &before)) cpu++;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
  pid_t child = fork();
  if (child == 0) {
    CHECK(getpriority(PRIO_PROCESS, 0) == 5);
    CHECK(sched_getaffinity(0, sizeof now, &now) == 0 && CPU_EQUAL(&now, &one));
    CHECK(sched_getcpu() == cpu);
    _exit(0);
  }
  CHECK(wait_for(child) == 0);
  CHECK(sched_setaffinity(0, sizeof before, &before) == 0);
  struct sched_param parameter = {0};
  CHECK(sched_getscheduler(0) == SCHED_OTHER);
  CHECK(sched_setscheduler(0, SCHED_BATCH, &parameter) == 0 &&
        sched_getscheduler(0) == SCHED_BATCH);
  CHECK(sched_yield() == 0 && sched_get_priority_max(SCHED_FIFO) == 99);
  puts("ok: scheduling");
}
