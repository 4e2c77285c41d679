// The 32-bit gate works natively (where the kernel has it); under mx it is refused with ENOSYS.
// report-allows: refused -- 32-bit calls are refused on purpose and the report says so
// expect: int 0x80: works
// expect-mx: int 0x80: ENOSYS
#include "check.h"

int main(void) {
  long result;
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "a"(20L)  // getpid in the 32-bit table
                   : "memory", "r8", "r9", "r10", "r11");
  printf("int 0x80: %s\n", (int)result == getpid()  ? "works"
                           : (int)result == -ENOSYS ? "ENOSYS"
                                                    : "something else");
}
