// A hundred files, one after the other, mapped shared, written, unmapped and removed; a new one may have an old one's number.
// expect: ok: 100 files
#include <sys/mman.h>

#include "check.h"

int main(void) {
  for (int i = 0; i < 100; i++) {
    const int size = 4096 * (1 + i % 5);
    int fd = open("file", O_RDWR | O_CREAT | O_EXCL, 0644);
    CHECK(ftruncate(fd, size) == 0);
    int* map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED && map[0] == 0 && map[size / 4 - 1] == 0);
    map[0] = map[size / 4 - 1] = i + 1;
    int found;
    CHECK(pread(fd, &found, sizeof found, size - 4) == sizeof found && found == i + 1);
    CHECK(pwrite(fd, &size, sizeof size, 8) == sizeof size && map[2] == size);
    CHECK(munmap(map, size) == 0 && close(fd) == 0 && unlink("file") == 0);
  }
  puts("ok: 100 files");
}
