// /dev/null, /dev/zero and /dev/full behave as such.
// expect: ok: devices
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "check.h"

int main(void) {
  char text[8] = "xxxxxxx";
  int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR),
      full = open("/dev/full", O_RDWR);
  CHECK(write(null, text, 8) == 8 && read(null, text, 8) == 0);
  CHECK(read(zero, text, 8) == 8 && memcmp(text, "\0\0\0\0\0\0\0", 8) == 0);
  CHECK_FAILS(write(full, text, 8), ENOSPC);
  char* map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
  CHECK(map != MAP_FAILED && map[100] == 0);
  struct stat info;
  CHECK(fstat(null, &info) == 0 && S_ISCHR(info.st_mode));
  CHECK(major(info.st_rdev) == 1 && minor(info.st_rdev) == 3);
  CHECK(mknod("own-null", S_IFCHR | 0600, makedev(1, 3)) == 0);
  int own = open("own-null", O_WRONLY);
  CHECK(write(own, text, 8) == 8 && unlink("own-null") == 0);
  puts("ok: devices");
}
