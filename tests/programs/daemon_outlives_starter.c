// A program that puts itself into the background: the starter ends, the daemon goes on.
// expect: starter leaves
// expect: daemon still works
#include "check.h"

int main(void) {
  int alive[2];
  char c;
  CHECK(pipe(alive) == 0);
  pid_t child = fork();
  if (child == 0) {
    CHECK(close(alive[1]) == 0 && setsid() == getpid());
    if (fork() != 0) _exit(0);
    CHECK(read(alive[0], &c, 1) == 0);  // until the starter has ended
    put_file("daemon", "done");
    write_all(1, "daemon still works\n", 19);
    _exit(0);
  }
  CHECK(wait_for(child) == 0);
  write_all(1, "starter leaves\n", 15);
}
