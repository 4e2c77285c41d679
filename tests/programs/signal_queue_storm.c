// A child queues 500 real-time signals with values; none is lost and the order is kept.
// expect: ok: 500 signals in order
#include "check.h"

static volatile int count, wrong;

static void handle(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  if (info->si_value.sival_int != count) wrong++;
  count++;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
  CHECK(sigaction(SIGRTMIN, &action, NULL) == 0);
  sigset_t none;
  sigemptyset(&none);
  mask_signal(SIG_BLOCK, SIGRTMIN);
  pid_t parent = getpid(), child = fork();
  if (child == 0) {
    for (int i = 0; i < 500; i++)
      while (sigqueue(parent, SIGRTMIN, (union sigval){.sival_int = i}) != 0) {
        CHECK(errno == EAGAIN);
        sched_yield();
      }
    _exit(0);
  }
  while (count < 500) sigsuspend(&none);
  CHECK(wrong == 0 && wait_for(child) == 0);
  printf("ok: %d signals in order\n", count);
}
