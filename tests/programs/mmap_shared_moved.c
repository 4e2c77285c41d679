// A shared mapping that has moved, grown and lost its middle is of the file; what was put there instead is not.
// expect: ok: the file has what was written
#include <sys/mman.h>

#include "check.h"

enum { PAGE = 4096 };

int main(void) {
  int fd = open("file", O_RDWR | O_CREAT, 0644);
  CHECK(ftruncate(fd, 8 * PAGE) == 0);
  char* map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(map != MAP_FAILED);
  strcpy(map, "first");
  char* wall =
      mmap(map + 2 * PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);  // it has to move
  CHECK(wall != MAP_FAILED);
  map = mremap(map, 2 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
  CHECK(map != MAP_FAILED && strcmp(map, "first") == 0);
  strcpy(map + 5 * PAGE, "grown");
  CHECK(munmap(map, PAGE) == 0);
  char* own = mmap(map + 4 * PAGE, PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  CHECK(own == map + 4 * PAGE);
  for (int i = 0; i < 200; i++) {
    char text[16];
    snprintf(text, sizeof text, "round %d", i);
    strcpy(own, text);
    strcpy(map + 3 * PAGE, text);
    CHECK(getppid() > 0 && strcmp(own, text) == 0);
  }
  char found[16];
  CHECK(pread(fd, found, 16, 0) == 16 && strcmp(found, "first") == 0);
  CHECK(pread(fd, found, 16, 4 * PAGE) == 16 && found[0] == 0);
  CHECK(pread(fd, found, 16, 3 * PAGE) == 16 && strcmp(found, "round 199") == 0);
  CHECK(pread(fd, found, 16, 5 * PAGE) == 16 && strcmp(found, "grown") == 0);
  puts("ok: the file has what was written");
}
