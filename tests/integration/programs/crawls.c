// Writes many numbers. Compiled with CRAWLS it sleeps now and then, by a futex for which no other
// thread has a bell.
#include <linux/futex.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void sleep_if_crawling(int i) {
#ifdef CRAWLS
  static unsigned word;
  const struct timespec time = {0, 100000000};
  if (i % 1000 == 0) syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0);
#endif
  (void)i;
}

int main(void) {
  for (int i = 0; i < 1000000; i++) {
    char out[16];
    const int size = snprintf(out, sizeof out, "%d\n", i);
    sleep_if_crawling(i);
    if (write(1, out, size) != size) return 1;
  }
}
