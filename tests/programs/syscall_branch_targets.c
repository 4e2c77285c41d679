// Code that jumps right to a system call instruction, and right behind it.
// expect: ok: branches
#include "check.h"

int loop(int count);          // calls getpid `count` times
int enter_at(int count);      // the same, first jumping at the instruction itself
int enter_behind(int count);  // jumps behind the first one: count - 1 calls
__asm__(
    ".globl loop, enter_at, enter_behind\n"
    "loop:\n"
    "  mov %edi, %edx\n"
    "  xor %r8d, %r8d\n"
    "1: mov $39, %eax\n"
    "2: syscall\n"
    "3: dec %edx\n"
    "  jz 4f\n"
    "  add %eax, %r8d\n"
    "  jmp 1b\n"
    "4: add %r8d, %eax\n"
    "  ret\n"
    "enter_at:\n"
    "  mov %edi, %edx\n"
    "  xor %r8d, %r8d\n"
    "  mov $39, %eax\n"
    "  jmp 2b\n"
    "enter_behind:\n"
    "  mov %edi, %edx\n"
    "  xor %r8d, %r8d\n"
    "  xor %eax, %eax\n"
    "  jmp 3b\n");

int main(void) {
  int pid = getpid();
  for (int i = 1; i < 20; i++) {
    CHECK(loop(i) == i * pid);
    CHECK(enter_at(i) == i * pid);
    CHECK(enter_behind(i) == (i - 1) * pid);
  }
  puts("ok: branches");
}
