// Clocks: monotonic never goes back, real time agrees between calls that read it.
// expect: ok: clocks
#include <sys/time.h>

#include "check.h"

static int64_t nanoseconds(clockid_t clock) {
  struct timespec now;
  CHECK(clock_gettime(clock, &now) == 0);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(void) {
  int64_t before = nanoseconds(CLOCK_MONOTONIC);
  for (int i = 0; i < 1000; i++) {
    int64_t now = nanoseconds(CLOCK_MONOTONIC);
    CHECK(now >= before);
    before = now;
  }
  struct timeval time_of_day;
  int64_t real = nanoseconds(CLOCK_REALTIME);
  CHECK(gettimeofday(&time_of_day, NULL) == 0);
  int64_t later = time_of_day.tv_sec * 1000000000LL + time_of_day.tv_usec * 1000LL;
  CHECK(later >= real - 1000 && later < real + 5000000000LL);
  time_t seconds = time(NULL);
  CHECK(seconds >= real / 1000000000 - 1 && seconds <= real / 1000000000 + 5);
  CHECK(nanoseconds(CLOCK_BOOTTIME) >= before && nanoseconds(CLOCK_PROCESS_CPUTIME_ID) > 0);
  struct timespec resolution;
  CHECK(clock_getres(CLOCK_MONOTONIC, &resolution) == 0 && resolution.tv_nsec == 1);
  CHECK_FAILS(clock_gettime(99, &resolution), EINVAL);
  puts("ok: clocks");
}
