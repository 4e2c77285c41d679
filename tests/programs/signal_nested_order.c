// Pending signals are handled lowest number first once unblocked; real-time ones queue in order.
// expect: ok: order 10 12 34 34 34 35
#include "check.h"

static volatile int order[16], values[16], count;

static void handle(int signal, siginfo_t* info, void* context) {
  (void)context;
  values[count] = info->si_value.sival_int;
  order[count++] = signal;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
  sigset_t all;
  sigfillset(&action.sa_mask);
  sigfillset(&all);
  int signals[] = {SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMIN + 1};
  for (int i = 0; i < 4; i++) CHECK(sigaction(signals[i], &action, NULL) == 0);
  CHECK(sigprocmask(SIG_BLOCK, &all, NULL) == 0);
  union sigval value = {.sival_int = 1};
  CHECK(sigqueue(getpid(), SIGRTMIN + 1, value) == 0);
  for (value.sival_int = 1; value.sival_int <= 3; value.sival_int++)
    CHECK(sigqueue(getpid(), SIGRTMIN, value) == 0);
  CHECK(kill(getpid(), SIGUSR2) == 0 && kill(getpid(), SIGUSR1) == 0);
  CHECK(kill(getpid(), SIGUSR1) == 0);
  CHECK(sigprocmask(SIG_UNBLOCK, &all, NULL) == 0);
  CHECK(count == 6 && values[2] == 1 && values[3] == 2 && values[4] == 3);
  printf("ok: order");
  for (int i = 0; i < count; i++) printf(" %d", order[i]);
  puts("");
}
