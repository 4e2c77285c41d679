// A grandchild whose parent ended goes to the subreaper and can be waited for there.
// expect: ok: orphan adopted
#include <sys/prctl.h>

#include "check.h"

int main(void) {
  int gone[2], done[2];
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
  CHECK(pipe(gone) == 0 && pipe(done) == 0);
  pid_t self = getpid(), child = fork();
  if (child == 0) {
    if (fork() == 0) {
      char c;
      CHECK(read(gone[0], &c, 1) == 1 && getppid() == self);
      pid_t pid = getpid();
      CHECK(write(done[1], &pid, sizeof pid) == sizeof pid);
      _exit(17);
    }
    _exit(0);
  }
  CHECK(wait_for(child) == 0);
  CHECK(write(gone[1], "x", 1) == 1);
  pid_t orphan;
  read_all(done[0], &orphan, sizeof orphan);
  CHECK(orphan != child && wait_for(orphan) == 17);
  CHECK_FAILS(wait(NULL), ECHILD);
  puts("ok: orphan adopted");
}
