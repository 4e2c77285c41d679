// A memory file is shared with a child through its descriptor, and seals stop changes.
// expect: ok: memory file
#include <sys/mman.h>

#include "check.h"

int main(void) {
  int fd = memfd_create("name", MFD_ALLOW_SEALING);
  CHECK(fd == 3 && ftruncate(fd, 4096) == 0);
  char* map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  pid_t child = fork();
  if (child == 0) _exit(pwrite(fd, "from child", 11, 0) == 11 ? 0 : 1);
  CHECK(wait_for(child) == 0 && strcmp(map, "from child") == 0);
  CHECK(munmap(map, 4096) == 0);
  CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK) == 0);
  CHECK(fcntl(fd, F_GET_SEALS) == (F_SEAL_WRITE | F_SEAL_SHRINK));
  CHECK_FAILS(write(fd, "x", 1), EPERM);
  CHECK_FAILS(ftruncate(fd, 0), EPERM);
  char text[16];
  CHECK(pread(fd, text, 11, 0) == 11 && strcmp(text, "from child") == 0);
  puts("ok: memory file");
}
