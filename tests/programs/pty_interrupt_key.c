// ctrl-C typed at a terminal interrupts the foreground group only; ctrl-Z stops it.
// build: -lutil
// expect: ok: interrupted and stopped
#include <pty.h>

#include "check.h"

static pid_t start(int* master) {
  char c;
  pid_t child = forkpty(master, NULL, NULL, NULL);
  if (child == 0) {
    CHECK(write(1, "r", 1) == 1);
    for (;;) pause();
  }
  read_all(*master, &c, 1);
  CHECK(c == 'r');
  return child;
}

int main(void) {
  int master, status;
  pid_t child = start(&master);
  CHECK(write(master, "\x03", 1) == 1);
  CHECK(wait_for(child) == 128 + SIGINT && close(master) == 0);
  child = start(&master);
  CHECK(write(master, "\x1c", 1) == 1);
  CHECK(wait_for(child) == 128 + SIGQUIT && close(master) == 0);
  child = start(&master);
  CHECK(kill(child, SIGSTOP) == 0 && waitpid(child, &status, WUNTRACED) == child);
  CHECK(WIFSTOPPED(status) && kill(child, SIGCONT) == 0);
  CHECK(close(master) == 0);  // the terminal hangs up
  CHECK(wait_for(child) == 128 + SIGHUP);
  puts("ok: interrupted and stopped");
}
