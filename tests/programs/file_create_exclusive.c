// O_EXCL refuses a file that exists; O_CREAT gives the mode less the umask.
// expect: ok: exclusive creation
#include "check.h"

int main(void) {
  umask(027);
  int fd = open("file", O_WRONLY | O_CREAT | O_EXCL, 0666);
  CHECK(fd == 3);
  struct stat info;
  CHECK(fstat(fd, &info) == 0);
  CHECK((info.st_mode & 07777) == 0640 && info.st_size == 0);
  CHECK_FAILS(open("file", O_WRONLY | O_CREAT | O_EXCL, 0666), EEXIST);
  CHECK(write(fd, "kept\n", 5) == 5);
  CHECK(file_is("file", "kept\n"));
  puts("ok: exclusive creation");
}
