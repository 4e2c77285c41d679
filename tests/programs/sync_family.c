// fsync, fdatasync, syncfs, sync_file_range and posix_fadvise succeed on a file.
// expect: ok: synced
#include <sys/statfs.h>

#include "check.h"

int main(void) {
  int fd = open("file", O_RDWR | O_CREAT | O_DSYNC, 0644), fds[2];
  struct statfs info;
  CHECK(write(fd, "data", 4) == 4);
  CHECK(fsync(fd) == 0 && fdatasync(fd) == 0);
  CHECK(sync_file_range(fd, 0, 4, SYNC_FILE_RANGE_WRITE) == 0);
  CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL) == 0 && readahead(fd, 0, 4096) == 0);
  CHECK(pipe(fds) == 0);
  CHECK_FAILS(fsync(fds[0]), EINVAL);
  CHECK(statfs(".", &info) == 0 && info.f_bsize >= 512 && info.f_namelen >= 14);
  CHECK(fstatfs(fd, &info) == 0 && info.f_blocks > 0);
  puts("ok: synced");
}
