// What a program does may depend on the clock: both versions must see the same time.
// expect: ok: decided by the clock
#include "check.h"

int main(void) {
  int fd = open("file", O_WRONLY | O_CREAT, 0644);
  off_t size = 0;
  for (int i = 0; i < 200; i++) {
    struct timespec now;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    int length = (int)(now.tv_nsec / 100 % 7) + 1;  // differs from call to call
    CHECK(write(fd, "abcdefgh", (size_t)length) == length);
    size += length;
  }
  CHECK(lseek(fd, 0, SEEK_CUR) == size && unlink("file") == 0);
  puts("ok: decided by the clock");
}
