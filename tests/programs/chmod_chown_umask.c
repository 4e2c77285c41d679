// Modes, owners and the umask of files.
// expect: ok: modes and owners
#include "check.h"

static struct stat look(const char* path) {
  struct stat info;
  CHECK(stat(path, &info) == 0);
  return info;
}

int main(void) {
  put_file("file", "");
  int fd = open("file", O_RDONLY);
  CHECK(chmod("file", 0751) == 0 && (look("file").st_mode & 07777) == 0751);
  CHECK(fchmod(fd, 04700) == 0 && (look("file").st_mode & 07777) == 04700);
  CHECK(fchmodat(AT_FDCWD, "file", 0640, 0) == 0 && (look("file").st_mode & 07777) == 0640);
  CHECK(chown("file", 1000, 1001) == 0 && look("file").st_uid == 1000);
  CHECK(fchown(fd, -1, 1002) == 0 && look("file").st_gid == 1002 && look("file").st_uid == 1000);
  CHECK(fchownat(AT_FDCWD, "file", 0, 0, 0) == 0 && look("file").st_uid == 0);
  CHECK(umask(077) == 022 && umask(077) == 077);
  CHECK(close(open("private", O_CREAT | O_WRONLY, 0666)) == 0);
  CHECK((look("private").st_mode & 0777) == 0600);
  CHECK(mkdir("dir", 0777) == 0 && (look("dir").st_mode & 0777) == 0700);
  puts("ok: modes and owners");
}
