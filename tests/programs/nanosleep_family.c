// Sleeping takes at least the time asked for, relative and absolute.
// expect: ok: slept
#include "check.h"

static int64_t now(clockid_t clock) {
  struct timespec time;
  CHECK(clock_gettime(clock, &time) == 0);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(void) {
  struct timespec time = {0, 10000000};
  int64_t before = now(CLOCK_MONOTONIC);
  CHECK(nanosleep(&time, NULL) == 0 && now(CLOCK_MONOTONIC) - before >= 10000000);
  before = now(CLOCK_MONOTONIC);
  int64_t until = before + 15000000;
  time = (struct timespec){until / 1000000000, until % 1000000000};
  CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == 0);
  CHECK(now(CLOCK_MONOTONIC) >= until);
  CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == 0);  // past: at once
  before = now(CLOCK_MONOTONIC);
  CHECK(usleep(5000) == 0 && now(CLOCK_MONOTONIC) - before >= 5000000);
  time.tv_nsec = -1;
  CHECK_FAILS(nanosleep(&time, NULL), EINVAL);
  CHECK(clock_nanosleep(99, 0, &time, NULL) == EINVAL);
  puts("ok: slept");
}
