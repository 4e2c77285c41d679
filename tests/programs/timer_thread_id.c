// A timer with SIGEV_THREAD_ID signals one thread only.
// build: -pthread
// expect: ok: the right thread
#include <pthread.h>

#include "check.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static volatile pid_t handled_by;

static void handle(int signal) {
  (void)signal;
  handled_by = gettid();
}

static void* run(void* unused) {
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
  event.sigev_notify_thread_id = gettid();
  CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
  struct itimerspec once = {{0, 0}, {0, 5000000}};
  sigset_t none, block;
  sigemptyset(&none);
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  CHECK(pthread_sigmask(SIG_BLOCK, &block, NULL) == 0);
  CHECK(timer_settime(timer, 0, &once, NULL) == 0);
  while (!handled_by) sigsuspend(&none);
  CHECK(handled_by == gettid() && handled_by != getpid());
  CHECK(timer_delete(timer) == 0);
  return unused;
}

int main(void) {
  pthread_t thread;
  on_signal(SIGUSR1, handle, 0);
  CHECK(pthread_create(&thread, NULL, run, NULL) == 0 && pthread_join(thread, NULL) == 0);
  puts("ok: the right thread");
}
