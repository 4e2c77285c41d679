// Bare futex calls: value mismatch, timeout, wake, requeue's count.
// build: -pthread
// expect: ok: futex
#include <linux/futex.h>
#include <pthread.h>

#include "check.h"

static int word, waiting;

static long futex(int operation, int value, struct timespec* timeout) {
  return syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, value, timeout, NULL, 0);
}

static void* run(void* unused) {
  __atomic_store_n(&waiting, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&word, __ATOMIC_SEQ_CST) == 0) futex(FUTEX_WAIT, 0, NULL);
  return unused;
}

int main(void) {
  struct timespec short_time = {0, 2000000};
  CHECK_FAILS(futex(FUTEX_WAIT, 1, NULL), EAGAIN);
  CHECK_FAILS(futex(FUTEX_WAIT, 0, &short_time), ETIMEDOUT);
  CHECK(futex(FUTEX_WAKE, 10, NULL) == 0);
  CHECK_FAILS(futex(99, 0, NULL), ENOSYS);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, run, NULL) == 0);
  while (!__atomic_load_n(&waiting, __ATOMIC_SEQ_CST)) sched_yield();
  __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
  CHECK(futex(FUTEX_WAKE, 1, NULL) >= 0);
  CHECK(pthread_join(thread, NULL) == 0);
  puts("ok: futex");
}
