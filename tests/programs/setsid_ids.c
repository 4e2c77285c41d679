// A new session: its own session and group id; a leader of a group cannot make one.
// expect: ok: session
#include "check.h"

int main(void) {
  pid_t child = fork();
  if (child == 0) {
    CHECK(getsid(0) == getsid(getppid()) && getpgrp() != getpid());
    CHECK(setsid() == getpid());
    CHECK(getsid(0) == getpid() && getpgrp() == getpid());
    CHECK_FAILS(setsid(), EPERM);
    CHECK_FAILS(setpgid(0, 0), EPERM);
    CHECK_FAILS(open("/dev/tty", O_RDWR), ENXIO);
    _exit(0);
  }
  CHECK(wait_for(child) == 0);
  CHECK_FAILS(setpgid(child, child), ESRCH);
  CHECK_FAILS(getsid(-5), ESRCH);
  puts("ok: session");
}
