// File times are set exactly, to now, or left alone.
// expect: ok: times set
#include "check.h"

int main(void) {
  put_file("file", "");
  struct timespec times[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
  struct stat info;
  CHECK(utimensat(AT_FDCWD, "file", times, 0) == 0 && stat("file", &info) == 0);
  CHECK(info.st_atim.tv_sec == 1000000000 && info.st_atim.tv_nsec == 123456789);
  CHECK(info.st_mtim.tv_sec == 1100000000 && info.st_mtim.tv_nsec == 987654321);
  times[0].tv_nsec = UTIME_OMIT;
  times[1].tv_nsec = UTIME_NOW;
  int fd = open("file", O_RDONLY);
  CHECK(futimens(fd, times) == 0 && fstat(fd, &info) == 0);
  CHECK(info.st_atim.tv_sec == 1000000000 && info.st_mtim.tv_sec > 1500000000);
  times[0].tv_nsec = 2000000000;
  CHECK_FAILS(futimens(fd, times), EINVAL);
  puts("ok: times set");
}
