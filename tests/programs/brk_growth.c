// The heap's end moves up and down by brk and sbrk.
// expect: ok: heap moved
#include "check.h"

int main(void) {
  char* start = sbrk(0);
  CHECK(sbrk(1 << 20) == start && (char*)sbrk(0) == start + (1 << 20));
  memset(start, 'x', 1 << 20);
  CHECK(brk(start + 8192) == 0 && start[8191] == 'x');
  CHECK(sbrk(1 << 16) == start + 8192 && start[8192] == 0);  // fresh memory is zero
  CHECK(brk(start) == 0 && sbrk(0) == start);
  pid_t child = fork();
  if (child == 0) _exit(sbrk(4096) == start && sbrk(0) == start + 4096 ? 0 : 1);
  CHECK(wait_for(child) == 0 && sbrk(0) == start);
  puts("ok: heap moved");
}
