// SIGHUP makes a program reopen its log after it was renamed (log rotation).
// expect: ok: rotated
#include "check.h"

static volatile sig_atomic_t reopen;
static void handle(int signal) { reopen = signal; }

int main(void) {
  on_signal(SIGHUP, handle, SA_RESTART);
  int log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644);
  CHECK(write(log, "first\n", 6) == 6);
  CHECK(rename("log", "log.1") == 0);
  CHECK(write(log, "still first\n", 12) == 12);
  CHECK(kill(getpid(), SIGHUP) == 0);
  if (reopen) {
    CHECK(close(log) == 0);
    log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644);
  }
  CHECK(write(log, "second\n", 7) == 7);
  CHECK(file_is("log.1", "first\nstill first\n") && file_is("log", "second\n"));
  puts("ok: rotated");
}
