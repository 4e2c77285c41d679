// An unlinked open file is read again through /proc/self/fd.
// expect: ok: reopened
#include "check.h"

int main(void) {
  char path[32], text[8], link[4096] = "";
  int fd = open("file", O_RDWR | O_CREAT, 0644);
  CHECK(write(fd, "hidden", 6) == 6 && unlink("file") == 0);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  int again = open(path, O_RDONLY);
  CHECK(again == 4 && read(again, text, 8) == 6 && memcmp(text, "hidden", 6) == 0);
  CHECK(lseek(fd, 0, SEEK_CUR) == 6);
  ssize_t size = readlink(path, link, sizeof link);
  CHECK(size > 10 && strcmp(link + size - 10, " (deleted)") == 0);
  CHECK_FAILS(open("file", O_RDONLY), ENOENT);
  int dev = open("/dev/fd/3", O_RDONLY);
  CHECK(dev == 5 && read(dev, text, 8) == 6);
  puts("ok: reopened");
}
