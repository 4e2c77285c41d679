// With a limit on processes fork fails with EAGAIN, and works again when children have ended.
// expect: ok: EAGAIN, then room again
#include <sys/resource.h>

#include "check.h"

int main(void) {
  struct rlimit limit = {6, 6};
  int hold[2], count = 0;
  pid_t child;
  CHECK(pipe(hold) == 0 && setrlimit(RLIMIT_NPROC, &limit) == 0);
  CHECK(setuid(1000000 + (uid_t)getpid()) == 0);  // a user nobody else is
  while ((child = fork()) > 0) count++;
  if (child == 0) {
    char c;
    CHECK(close(hold[1]) == 0 && read(hold[0], &c, 1) == 0);
    _exit(0);
  }
  CHECK(errno == EAGAIN && count >= 1 && count < 6);
  CHECK(close(hold[1]) == 0);
  for (int i = 0; i < count; i++) CHECK(wait(NULL) > 0);
  child = fork();
  if (child == 0) _exit(0);
  CHECK(child > 0 && wait_for(child) == 0);
  puts("ok: EAGAIN, then room again");
}
