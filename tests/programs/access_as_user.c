// access asks with the real user's rights; root may do more than a plain user.
// expect: ok: access
#include "check.h"

int main(void) {
  put_file("secret", "s");
  CHECK(chmod("secret", 0600) == 0);
  CHECK(access("secret", R_OK | W_OK) == 0);
  CHECK_FAILS(access("secret", X_OK), EACCES);
  CHECK_FAILS(access("missing", F_OK), ENOENT);
  pid_t child = fork();
  if (child == 0) {
    CHECK(setgid(65534) == 0 && setuid(65534) == 0);
    CHECK(access("secret", F_OK) == 0);
    CHECK_FAILS(access("secret", R_OK), EACCES);
    CHECK_FAILS(faccessat(AT_FDCWD, "secret", W_OK, AT_EACCESS), EACCES);
    CHECK_FAILS(open("secret", O_RDONLY), EACCES);
    CHECK_FAILS(open("new", O_CREAT | O_WRONLY, 0644), EACCES);
    _exit(0);
  }
  CHECK(wait_for(child) == 0);
  puts("ok: access");
}
