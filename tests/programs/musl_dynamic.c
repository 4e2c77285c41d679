// A program linked to musl: files, fork, exec, signals.
// build: musl
// expect: from the shell
// expect: ok: musl
#include "check.h"

static volatile sig_atomic_t handled;
static void handle(int signal) { handled = signal; }

int main(void) {
#ifdef __GLIBC__
  CHECK(!"built with the wrong libc");
#endif
  on_signal(SIGUSR2, handle, SA_RESTART);
  CHECK(raise(SIGUSR2) == 0 && handled == SIGUSR2);
  put_file("file", "musl");
  CHECK(file_is("file", "musl"));
  pid_t child = fork();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", "echo from the shell; exit 3", (char*)NULL);
    _exit(126);
  }
  CHECK(wait_for(child) == 3);
  struct timespec now;
  CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
  puts("ok: musl");
}
