// Works in rounds of some 20 ms and says so after each. Where a round has taken fifty times as long
// by the time-stamp counter, which is no system call, it makes one more call: as a program does
// whose threads met in another order. With an argument it makes one more call in that round, too,
// if it was built with -DMORE.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <x86intrin.h>

static const uint64_t kRound = 60000000;  // ticks

int main(int argc, char** argv) {
  const long last = argc > 1 ? atol(argv[1]) : -1;
  int queue[2];
  (void)last;
  if (pipe(queue) != 0) return 1;
  for (long round = 1;; round++) {
    char job;
    if (write(queue[1], "x", 1) != 1 || read(queue[0], &job, 1) != 1) return 1;
    const uint64_t begun = __rdtsc();
    while (__rdtsc() - begun < kRound) continue;
    if (__rdtsc() - begun > 50 * kRound) rmdir("/nowhere");
#ifdef MORE
    if (round == last) rmdir("/nowhere");
#endif
    dprintf(1, "%ld\n", round);
  }
}
