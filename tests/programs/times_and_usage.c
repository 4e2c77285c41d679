// CPU time used grows with work, and children's time is added when they are waited for.
// expect: ok: time used
#include <sys/times.h>

#include "check.h"

static void work(int64_t nanoseconds) {
  struct timespec now;
  do CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
  while (now.tv_sec * 1000000000LL + now.tv_nsec < nanoseconds);
}

int main(void) {
  struct tms before, after;
  CHECK(times(&before) != (clock_t)-1 && before.tms_cutime + before.tms_cstime == 0);
  pid_t child = fork();
  if (child == 0) {
    work(40000000);
    _exit(0);
  }
  CHECK(wait_for(child) == 0);
  work(40000000);
  CHECK(times(&after) != (clock_t)-1);
  CHECK(after.tms_cutime + after.tms_cstime >= 2);
  CHECK(after.tms_utime + after.tms_stime >= before.tms_utime + before.tms_stime + 1);
  CHECK(clock() >= CLOCKS_PER_SEC / 100);
  puts("ok: time used");
}
