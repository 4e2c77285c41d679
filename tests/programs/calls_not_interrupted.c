// A signal interrupts calls that wait; not a write with room, a read of what is there, a wait for who has ended.
// expect: ok: no call was interrupted
#include <poll.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "check.h"

static volatile sig_atomic_t rings;
static void ring(int sig) { rings += sig == SIGALRM; }

int main(void) {
  struct sigaction action = {.sa_handler = ring};
  CHECK(sigaction(SIGALRM, &action, NULL) == 0);
  int ends[2];
  CHECK(pipe(ends) == 0);
  const struct itimerval often = {{0, 150}, {0, 150}};
  CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
  char byte = 'x';
  for (int i = 0; i < 3000; i++) {
    CHECK(write(ends[1], &byte, 1) == 1);
    CHECK(read(ends[0], &byte, 1) == 1);
  }
  for (int i = 0; i < 20; i++) {
    pid_t child = fork();
    if (child == 0) _exit(3);
    siginfo_t info;
    int status;
    while (waitid(P_PID, child, &info, WEXITED | WNOWAIT) != 0) CHECK(errno == EINTR);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
  }
  while (rings < 3) poll(NULL, 0, 1);
  puts("ok: no call was interrupted");
}
