// Root gives up its rights for good: groups, group, user, capabilities.
// expect: ok: rights dropped
#include <grp.h>

#include "check.h"

int main(void) {
  gid_t groups[3] = {100, 200, 300}, got[8];
  uid_t real, effective, saved;
  put_file("owned", "");
  CHECK(setgroups(3, groups) == 0 && getgroups(8, got) == 3 &&
        memcmp(got, groups, sizeof groups) == 0);
  CHECK(setgid(1234) == 0 && setuid(1235) == 0);
  CHECK(getresuid(&real, &effective, &saved) == 0);
  CHECK(real == 1235 && effective == 1235 && saved == 1235 && getgid() == 1234 &&
        getegid() == 1234);
  CHECK_FAILS(setuid(0), EPERM);
  CHECK_FAILS(setgroups(0, NULL), EPERM);
  CHECK_FAILS(open("owned", O_WRONLY), EACCES);
  CHECK_FAILS(chown("owned", 1235, -1), EPERM);
  CHECK_FAILS(kill(1, SIGTERM), EPERM);
  CHECK_FAILS(chroot("/"), EPERM);
  pid_t child = fork();
  if (child == 0) _exit(getuid() == 1235 && getgroups(8, got) == 3 ? 0 : 1);
  CHECK(wait_for(child) == 0);
  puts("ok: rights dropped");
}
