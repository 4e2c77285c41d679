// Coarse clocks read at places drawn by lot, as jemalloc does: what else reads clocks gets the leader's times all the same.
// expect: ok: clocks
#include <sys/time.h>

#include "check.h"

static uint64_t lot;

static void look_by_lot(void) {
  struct timespec now;
  lot ^= lot << 13, lot ^= lot >> 7, lot ^= lot << 17;
  if (lot % 5 == 0) CHECK(clock_gettime(CLOCK_MONOTONIC_COARSE, &now) == 0);
}

int main(void) {
  int file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
  CHECK(file >= 0);
  lot = (uint64_t)(uintptr_t)&file | 1;
  for (int i = 0; i < 2000; i++) {
    struct timeval times[4];
    struct timespec more[4];
    for (int k = 0; k < 4; k++) {
      look_by_lot();
      CHECK(gettimeofday(&times[k], NULL) == 0);
      look_by_lot();
      CHECK(clock_gettime(CLOCK_MONOTONIC, &more[k]) == 0);
    }
    CHECK(pwrite(file, times, sizeof times, 0) == sizeof times);
    CHECK(pwrite(file, more, sizeof more, 0) == sizeof more);
  }
  puts("ok: clocks");
}
