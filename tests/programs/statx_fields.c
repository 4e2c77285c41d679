// statx fills the fields asked for and rejects bad flags.
// expect: ok: statx
#include "check.h"

int main(void) {
  put_file("file", "123");
  struct statx x;
  struct stat info;
  CHECK(statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS, &x) == 0);
  CHECK(stat("file", &info) == 0);
  CHECK((x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
  CHECK(x.stx_ino == info.st_ino && x.stx_size == 3 && x.stx_mode == info.st_mode);
  CHECK(x.stx_mtime.tv_sec == info.st_mtim.tv_sec);
  CHECK(x.stx_mtime.tv_nsec == info.st_mtim.tv_nsec);
  CHECK(statx(1, "", AT_EMPTY_PATH, STATX_TYPE, &x) == 0);
  CHECK(!S_ISDIR(x.stx_mode));
  CHECK_FAILS(statx(AT_FDCWD, "missing", 0, STATX_TYPE, &x), ENOENT);
  CHECK_FAILS(statx(AT_FDCWD, "file", 0x40000000, STATX_TYPE, &x), EINVAL);
  puts("ok: statx");
}
