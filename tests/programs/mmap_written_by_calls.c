// A file that is mapped shared and written by calls, through other descriptors too (LMDB): what is mapped shows it at once.
// expect: ok: written by calls
#include <sys/mman.h>
#include <sys/uio.h>

#include "check.h"

enum { kSize = 8192, kRounds = 200 };

int main(void) {
  int fd = open("mapped", O_RDWR | O_CREAT | O_EXCL, 0644), other = open("mapped", O_WRONLY);
  CHECK(fd >= 0 && other >= 0 && ftruncate(fd, kSize) == 0);
  const char* map = mmap(NULL, kSize, PROT_READ, MAP_SHARED, fd, 0);
  CHECK(map != MAP_FAILED);
  for (int i = 0; i < kRounds; i++) {
    const char bytes[4] = {(char)i, 'a', 'b', 'c'};
    struct iovec iov[2] = {{(void*)bytes, 1}, {(void*)(bytes + 1), 3}};
    const int at = i * 40;
    CHECK(pwrite(fd, bytes, 4, at) == 4 && memcmp(map + at, bytes, 4) == 0);
    CHECK(pwrite(other, bytes, 4, at + 4) == 4 && memcmp(map + at + 4, bytes, 4) == 0);
    CHECK(lseek(other, at + 8, SEEK_SET) == at + 8);
    CHECK(write(other, bytes, 4) == 4 && memcmp(map + at + 8, bytes, 4) == 0);
    CHECK(writev(other, iov, 2) == 4 && memcmp(map + at + 12, bytes, 4) == 0);
    CHECK(pwritev(fd, iov, 2, at + 16) == 4 && memcmp(map + at + 16, bytes, 4) == 0);
    for (int k = 20; k < 40; k++) CHECK(map[at + k] == 0);
    CHECK(i + 1 == kRounds || map[at + 40] == 0);  // not what comes later
  }
  CHECK(fallocate(other, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0 && map[1] == 0);
  CHECK(close(fd) == 0 && pwrite(other, "z", 1, 5) == 1 && map[5] == 'z');
  puts("ok: written by calls");
}
