// A new session takes a terminal as its own: /dev/tty, foreground group, session of the terminal.
// build: -lutil
// expect: ok: controlling terminal
#include <pty.h>
#include <sys/ioctl.h>

#include "check.h"

int main(void) {
  int master, terminal;
  CHECK(openpty(&master, &terminal, NULL, NULL, NULL) == 0);
  pid_t child = fork();
  if (child == 0) {
    CHECK(setsid() == getpid());
    CHECK_FAILS(open("/dev/tty", O_RDWR), ENXIO);
    CHECK(ioctl(terminal, TIOCSCTTY, 0) == 0);
    int own = open("/dev/tty", O_RDWR);
    CHECK(own == 5 && tcgetpgrp(own) == getpid() && tcgetsid(own) == getpid());
    pid_t other = fork();
    if (other == 0) {
      CHECK(setpgid(0, 0) == 0);
      signal(SIGTTOU, SIG_IGN);
      CHECK(tcsetpgrp(own, getpid()) == 0 && tcgetpgrp(own) == getpid());
      _exit(0);
    }
    CHECK(wait_for(other) == 0);
    signal(SIGTTOU, SIG_IGN);
    CHECK(tcsetpgrp(own, getpid()) == 0);
    CHECK(write(own, "hello", 5) == 5);
    signal(SIGHUP, SIG_IGN);
    CHECK(ioctl(own, TIOCNOTTY) == 0);
    CHECK_FAILS(open("/dev/tty", O_RDWR), ENXIO);
    _exit(0);
  }
  char text[8];
  read_all(master, text, 5);
  CHECK(memcmp(text, "hello", 5) == 0 && wait_for(child) == 0);
  puts("ok: controlling terminal");
}
