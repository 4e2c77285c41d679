// Opening a fifo waits for the other side; without a reader O_NONBLOCK writing is ENXIO.
// expect: ok: met at the fifo
#include "check.h"

int main(void) {
  CHECK(mkfifo("fifo", 0644) == 0);
  struct stat info;
  CHECK(stat("fifo", &info) == 0 && S_ISFIFO(info.st_mode));
  CHECK_FAILS(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
  pid_t child = fork();
  if (child == 0) {
    int fd = open("fifo", O_WRONLY);  // waits for the parent's open
    CHECK(fd >= 0 && write(fd, "met", 3) == 3);
    _exit(0);
  }
  char text[8];
  int fd = open("fifo", O_RDONLY);
  CHECK(fd == 3 && read(fd, text, 8) == 3 && memcmp(text, "met", 3) == 0);
  CHECK(wait_for(child) == 0 && read(fd, text, 8) == 0);
  puts("ok: met at the fifo");
}
