// The time-stamp counter never goes back, wherever the instruction that reads it stands.
// expect: 3000 times, never back
#include <stdint.h>

#include "check.h"

// Between a branch and the target of one: no room to either side.
__asm__(
    ".text\n"
    ".globl in_a_corner\n"
    ".type in_a_corner, @function\n"
    "in_a_corner:\n"
    "  test %rdi, %rdi\n"
    "  jne 1f\n"
    "  rdtsc\n"
    "2: shl $32, %rdx\n"
    "  or %rdx, %rax\n"
    "  ret\n"
    "1: lfence\n"
    "  rdtsc\n"
    "  jmp 2b\n"
    ".size in_a_corner, . - in_a_corner\n"
    ".skip 32, 0xcc\n");
uint64_t in_a_corner(uint64_t fenced);

static uint64_t in_the_open(void) {
  uint64_t low, high, kept = 0x5555555555555555, other = ~kept;
  // All other registers, and the flags, are as before.
  __asm__ volatile("stc; rdtsc; nop; nop; nop; jnc 1f; inc %2; 1:"
                   : "=a"(low), "=d"(high), "+c"(kept), "+r"(other));
  CHECK(kept == 0x5555555555555556 && other == 0xaaaaaaaaaaaaaaaa);
  return high << 32 | low;
}

int main(void) {
  uint64_t last = 0;
  int times = 0;
  for (int i = 0; i < 1000; i++) {
    const uint64_t now[3] = {in_a_corner(0), in_a_corner(1), in_the_open()};
    for (int k = 0; k < 3; k++, times++) {
      CHECK(now[k] >= last);
      last = now[k];
    }
  }
  printf("%d times, never back\n", times);
  return 0;
}
