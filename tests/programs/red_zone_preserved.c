// The 128 bytes below the stack pointer survive a system call.
// expect: ok: red zone
#include "check.h"

// long probe(long number): fills the red zone, makes the call, returns how many words changed.
long probe(long number);
__asm__(
    ".globl probe\n"
    "probe:\n"
    "  mov $1, %ecx\n"
    "1: mov %rcx, %rdx\n"
    "  neg %rdx\n"
    "  mov %rcx, (%rsp,%rdx,8)\n"
    "  inc %ecx\n"
    "  cmp $16, %ecx\n"
    "  jbe 1b\n"
    "  mov %rdi, %rax\n"
    "  xor %edi, %edi\n"
    "  xor %esi, %esi\n"
    "  xor %edx, %edx\n"
    "  syscall\n"
    "  xor %eax, %eax\n"
    "  mov $1, %ecx\n"
    "2: mov %rcx, %rdx\n"
    "  neg %rdx\n"
    "  cmp %rcx, (%rsp,%rdx,8)\n"
    "  je 3f\n"
    "  inc %eax\n"
    "3: inc %ecx\n"
    "  cmp $16, %ecx\n"
    "  jbe 2b\n"
    "  ret\n");

int main(void) {
  for (int i = 0; i < 100; i++) {
    CHECK(probe(SYS_getppid) == 0);
    CHECK(probe(SYS_read) == 0);
    CHECK(probe(SYS_sched_yield) == 0);
    CHECK(probe(SYS_dup3) == 0);
  }
  puts("ok: red zone");
}
