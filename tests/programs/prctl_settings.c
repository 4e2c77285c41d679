// prctl: name, dumpable, keep capabilities, no new privileges, subreaper, parent-death signal.
// expect: ok: prctl
#include <sys/prctl.h>

#include "check.h"

int main(void) {
  char name[17] = "", text[64] = "";
  int value;
  CHECK(prctl(PR_SET_NAME, "a name that is too long") == 0);
  CHECK(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "a name that is ") == 0);
  int fd = open("/proc/self/comm", O_RDWR);
  CHECK(read(fd, text, 64) == 16 && strcmp(text, "a name that is \n") == 0);
  CHECK(write(fd, "other", 5) == 5);
  CHECK(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "other") == 0);
  CHECK(prctl(PR_GET_DUMPABLE) == 1 && prctl(PR_SET_DUMPABLE, 0) == 0);
  CHECK(prctl(PR_GET_DUMPABLE) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
  CHECK(prctl(PR_SET_KEEPCAPS, 1) == 0 && prctl(PR_GET_KEEPCAPS) == 1);
  CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
  CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0);
  CHECK(prctl(PR_GET_PDEATHSIG, &value) == 0 && value == SIGUSR1);
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  CHECK(prctl(PR_GET_CHILD_SUBREAPER, &value) == 0 && value == 1);
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
  CHECK_FAILS(prctl(99999), EINVAL);
  puts("ok: prctl");
}
