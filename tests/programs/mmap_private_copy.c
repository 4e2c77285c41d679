// A private mapping keeps its own changes and leaves the file alone.
// expect: ok: private copy
#include <sys/mman.h>

#include "check.h"

int main(void) {
  put_file("file", "original");
  int fd = open("file", O_RDONLY);
  char* map = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  CHECK(map != MAP_FAILED);
  memcpy(map, "changed!", 8);
  pid_t child = fork();
  if (child == 0) {
    CHECK(memcmp(map, "changed!", 8) == 0);
    map[0] = 'X';
    _exit(0);
  }
  CHECK(wait_for(child) == 0 && map[0] == 'c');
  CHECK(file_is("file", "original"));
  errno = 0;
  CHECK(mmap(NULL, 8, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES);
  CHECK(mmap(NULL, 0, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == EINVAL);
  puts("ok: private copy");
}
