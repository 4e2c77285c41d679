// A memory file has the size that ftruncate and fallocate gave it, in two mappings and a child (a JIT's code is mapped so).
// expect: ok: mapped twice
#include <sys/mman.h>

#include "check.h"

enum { kSize = 1 << 20 };

int main(void) {
  struct stat info;
  for (int i = 0; i < 3; i++) {
    int fd = memfd_create("code", i ? MFD_CLOEXEC : 0), again = dup(fd);
    CHECK(fd == 3 && ftruncate(i == 1 ? again : fd, kSize) == 0);
    CHECK(fstat(fd, &info) == 0 && info.st_size == kSize);
    if (i == 2)
      CHECK(fallocate(fd, 0, 0, 2 * kSize) == 0 && fstat(fd, &info) == 0 &&
            info.st_size == 2 * kSize);
    char* reads = mmap(NULL, kSize, PROT_READ, MAP_SHARED, fd, 0);
    char* writes = mmap(NULL, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(reads != MAP_FAILED && writes != MAP_FAILED && close(fd) == 0 && close(again) == 0);
    memset(writes, 'a' + i, kSize);
    CHECK(reads[kSize - 1] == 'a' + i);
    pid_t child = fork();
    if (child == 0) {
      writes[5] = 'z';
      _exit(reads[6] == 'a' + i ? 0 : 1);
    }
    CHECK(wait_for(child) == 0 && reads[5] == 'z');
    CHECK(munmap(reads, kSize) == 0 && munmap(writes, kSize) == 0);
  }
  puts("ok: mapped twice");
}
