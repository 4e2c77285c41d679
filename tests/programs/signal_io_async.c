// O_ASYNC sends SIGIO when input comes; F_SETSIG tells the descriptor.
// expect: ok: told of input
#include <sys/socket.h>

#include "check.h"

int main(void) {
  int pair[2];
  sigset_t set;
  siginfo_t info;
  sigemptyset(&set);
  sigaddset(&set, SIGIO);
  sigaddset(&set, SIGRTMIN + 1);
  CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  CHECK(fcntl(pair[0], F_SETOWN, getpid()) == 0 && fcntl(pair[0], F_GETOWN) == getpid());
  CHECK(fcntl(pair[0], F_SETFL, O_ASYNC) == 0 && (fcntl(pair[0], F_GETFL) & O_ASYNC));
  CHECK(write(pair[1], "x", 1) == 1);
  CHECK(sigwaitinfo(&set, &info) == SIGIO);
  CHECK(fcntl(pair[0], F_SETSIG, SIGRTMIN + 1) == 0);
  CHECK(write(pair[1], "y", 1) == 1);
  CHECK(sigwaitinfo(&set, &info) == SIGRTMIN + 1 && info.si_fd == pair[0]);
  puts("ok: told of input");
}
