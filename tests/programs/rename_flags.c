// rename replaces its target; renameat2 refuses to, or exchanges the two.
// expect: ok: renamed
#include "check.h"

int main(void) {
  put_file("a", "A");
  put_file("b", "B");
  CHECK_FAILS(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE), EEXIST);
  CHECK(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE) == 0);
  CHECK(file_is("a", "B") && file_is("b", "A"));
  CHECK(rename("a", "b") == 0);
  CHECK(file_is("b", "B") && access("a", F_OK) == -1 && errno == ENOENT);
  CHECK(mkdir("dir", 0755) == 0 && rename("b", "dir/c") == 0);
  CHECK_FAILS(rename("dir", "dir/inside"), EINVAL);
  CHECK_FAILS(rename("missing", "x"), ENOENT);
  CHECK(file_is("dir/c", "B"));
  puts("ok: renamed");
}
