// What is written into a shared mapping is in the file, seen by read and after msync.
// expect: ok: file follows the mapping
#include <sys/mman.h>

#include "check.h"

int main(void) {
  int fd = open("file", O_RDWR | O_CREAT, 0644);
  CHECK(ftruncate(fd, 8192) == 0);
  char* map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(map != MAP_FAILED && close(fd) == 0);
  memset(map, 'a', 8192);
  strcpy(map + 4096, "second page");
  CHECK(msync(map, 8192, MS_SYNC) == 0);
  char text[16] = "";
  fd = open("file", O_RDONLY);
  CHECK(pread(fd, text, 15, 4090) == 15 && memcmp(text, "aaaaaasecond pa", 15) == 0);
  CHECK(munmap(map, 4096) == 0);
  strcpy(map + 4096, "later");
  CHECK(pread(fd, text, 6, 4096) == 6 && strcmp(text, "later") == 0);
  puts("ok: file follows the mapping");
}
