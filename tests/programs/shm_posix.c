// A POSIX shared memory object is opened by name in a child.
// expect: ok: shared object
#include <sys/mman.h>

#include "check.h"

int main(void) {
  char name[64];
  snprintf(name, sizeof name, "/mx-shm-posix-%d", getpid());
  int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
  CHECK(fd == 3 && ftruncate(fd, 4096) == 0);
  int* memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  pid_t child = fork();
  if (child == 0) {
    int other = shm_open(name, O_RDWR, 0);
    int* mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
    for (int i = 0; i < 1000; i++) __atomic_add_fetch(mapped, 1, __ATOMIC_SEQ_CST);
    _exit(0);
  }
  for (int i = 0; i < 1000; i++) __atomic_add_fetch(memory, 1, __ATOMIC_SEQ_CST);
  CHECK(wait_for(child) == 0 && *memory == 2000);
  CHECK(shm_unlink(name) == 0);
  CHECK_FAILS(shm_open(name, O_RDWR, 0), ENOENT);
  CHECK(*memory == 2000);
  puts("ok: shared object");
}
