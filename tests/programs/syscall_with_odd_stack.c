// A system call needs no aligned stack and hardly any room on it.
// expect: ok: odd stacks
#include <sys/mman.h>

#include "check.h"

static long call_on(void* stack, long number) {
  __asm__ volatile(
      "mov %%rsp, %%r12\n"
      "mov %[stack], %%rsp\n"
      "syscall\n"
      "mov %%r12, %%rsp\n"
      : "+a"(number)
      : [stack] "r"(stack)
      : "r12", "rcx", "r11", "memory");
  return number;
}

int main(void) {
  char* pages = mmap(NULL, 12288, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char* middle = pages + 4096;  // a page with none on either side
  CHECK(mprotect(middle, 4096, PROT_READ | PROT_WRITE) == 0);
  pid_t pid = getpid();
  for (int shift = 0; shift < 32; shift++) CHECK(call_on(middle + 2048 + shift, SYS_getpid) == pid);
  CHECK(call_on(middle + 4096, SYS_getpid) == pid);
  CHECK(call_on(middle + 256, SYS_getpid) == pid);  // the red zone and a little more
  puts("ok: odd stacks");
}
