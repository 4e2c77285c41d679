// The saved user id lets a process switch back and forth.
// expect: ok: switched
#include <sys/fsuid.h>

#include "check.h"

static void be_owner_of(const char* path, uid_t uid) {
  struct stat info;
  put_file(path, "");
  CHECK(stat(path, &info) == 0 && info.st_uid == uid);
}

int main(void) {
  CHECK(chmod(".", 0777) == 0);
  CHECK(setresuid(1000, 1001, 0) == 0 && getuid() == 1000 && geteuid() == 1001);
  be_owner_of("first", 1001);
  CHECK(seteuid(1000) == 0);
  be_owner_of("second", 1000);
  CHECK_FAILS(seteuid(5), EPERM);
  CHECK(seteuid(0) == 0);
  be_owner_of("third", 0);
  CHECK(setreuid(0, 0) == 0 && setresgid(7, 8, 9) == 0 && getegid() == 8);
  CHECK(setfsuid(1002) == 0 && setfsuid((uid_t)-1) == 1002);
  be_owner_of("fourth", 1002);
  CHECK(setresuid(1000, 1000, 1000) == 0);
  CHECK_FAILS(setresuid(-1, 0, -1), EPERM);
  puts("ok: switched");
}
