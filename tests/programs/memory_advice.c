// madvise, mincore, mlock and membarrier do what they say.
// expect: ok: memory advice
#include <linux/membarrier.h>
#include <sys/mman.h>

#include "check.h"

int main(void) {
  unsigned char present[2] = {0};
  char* map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(map, 'x', 8192);
  CHECK(mincore(map, 8192, present) == 0 && (present[0] & 1) && (present[1] & 1));
  CHECK(madvise(map, 4096, MADV_DONTNEED) == 0 && map[0] == 0 && map[4096] == 'x');
  CHECK(madvise(map + 4096, 4096, MADV_WIPEONFORK) == 0);
  pid_t child = fork();
  if (child == 0) _exit(map[4096] == 0 ? 0 : 1);
  CHECK(wait_for(child) == 0 && map[4096] == 'x');
  CHECK(mlock(map, 4096) == 0 && munlock(map, 4096) == 0);
  CHECK_FAILS(madvise(map + 1, 4096, MADV_DONTNEED), EINVAL);
  CHECK(munmap(map, 8192) == 0);
  CHECK_FAILS(mincore(map, 4096, present), ENOMEM);
  CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) >= 0);
  CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0);
  CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0);
  puts("ok: memory advice");
}
