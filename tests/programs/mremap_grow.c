// mremap grows, moves and shrinks a mapping with its contents.
// expect: ok: remapped
#include <sys/mman.h>

#include "check.h"

int main(void) {
  char* map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(map, 'x', 8192);
  map = mremap(map, 8192, 1 << 20, MREMAP_MAYMOVE);
  CHECK(map != MAP_FAILED && map[8191] == 'x' && map[8192] == 0);
  map[(1 << 20) - 1] = 'y';
  char* place = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(mremap(map, 1 << 20, 1 << 20, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
  CHECK(place[0] == 'x' && place[(1 << 20) - 1] == 'y');
  CHECK(mremap(place, 1 << 20, 4096, 0) == place && place[4095] == 'x');
  errno = 0;
  CHECK(mremap(place, 4096, 0, 0) == MAP_FAILED && errno == EINVAL);
  puts("ok: remapped");
}
