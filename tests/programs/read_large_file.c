// An eight MiB file is written and read back in one call each.
// expect: ok: 8 MiB
#include "check.h"

enum { SIZE = 8 << 20 };

int main(void) {
  uint32_t *data = malloc(SIZE), *back = malloc(SIZE);
  for (uint32_t i = 0; i < SIZE / 4; i++) data[i] = i * 2654435761u;
  int fd = open("file", O_RDWR | O_CREAT, 0644);
  CHECK(write(fd, data, SIZE) == SIZE);
  CHECK(pread(fd, back, SIZE, 0) == SIZE && memcmp(data, back, SIZE) == 0);
  CHECK(pread(fd, back, SIZE, 4096) == SIZE - 4096);
  CHECK(memcmp((char*)data + 4096, back, SIZE - 4096) == 0);
  CHECK(close(fd) == 0 && unlink("file") == 0);
  puts("ok: 8 MiB");
}
