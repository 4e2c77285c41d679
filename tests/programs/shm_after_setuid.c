// A program that has given up root maps a shared memory object that it makes afterwards.
// expect: ok: mapped by user 65534
#include <sys/mman.h>

#include "check.h"

int main(void) {
  char name[64];
  snprintf(name, sizeof name, "/mx-test-shm-%d", getpid());
  CHECK(setgid(65534) == 0 && setuid(65534) == 0);
  for (int i = 0; i < 20; i++) {
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0 && ftruncate(fd, 8192) == 0);
    char* at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(at != MAP_FAILED && close(fd) == 0);
    strcpy(at + 4096, "here");
    CHECK(shm_unlink(name) == 0 && !strcmp(at + 4096, "here") && munmap(at, 8192) == 0);
  }
  printf("ok: mapped by user %d\n", (int)getuid());
}
