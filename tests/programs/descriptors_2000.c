// Two thousand descriptors are open at once, and each still reads its own place.
// expect: ok: 2000 descriptors
#include <sys/resource.h>

#include "check.h"

int main(void) {
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max >= 2100);
  limit.rlim_cur = 2100;
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  int file = open("file", O_RDWR | O_CREAT, 0644);
  for (int i = 0; i < 2000; i++) CHECK(write(file, &i, sizeof i) == sizeof i);
  CHECK(close(file) == 0);
  for (int i = 0; i < 2000; i++) {
    CHECK(open("file", O_RDONLY) == 3 + i);
    CHECK(lseek(3 + i, i * (off_t)sizeof i, SEEK_SET) == i * (off_t)sizeof i);
  }
  for (int i = 1999; i >= 0; i--) {
    int number;
    CHECK(read(3 + i, &number, sizeof number) == sizeof number && number == i);
    CHECK(close(3 + i) == 0);
  }
  puts("ok: 2000 descriptors");
}
