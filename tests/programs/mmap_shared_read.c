// A shared mapping shows what is written to the file afterwards, by this process or a child.
// expect: ok: mapping follows the file
#include <sys/mman.h>

#include "check.h"

int main(void) {
  int fd = open("file", O_RDWR | O_CREAT, 0644);
  CHECK(ftruncate(fd, 4096) == 0);
  const char* map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
  CHECK(map != MAP_FAILED && map[0] == 0);
  CHECK(pwrite(fd, "hello", 6, 0) == 6 && strcmp(map, "hello") == 0);
  pid_t child = fork();
  if (child == 0) _exit(pwrite(fd, "child", 6, 0) == 6 ? 0 : 1);
  CHECK(wait_for(child) == 0 && strcmp(map, "child") == 0);
  write_all(1, map, 0);
  CHECK(munmap((void*)map, 4096) == 0);
  puts("ok: mapping follows the file");
}
