// The bytes of a system call inside other instructions and in data among code stay as they are.
// expect: ok: bytes untouched
#include "check.h"

unsigned immediate(void);
unsigned in_displacement(const unsigned char* base);
extern const unsigned char table[];
__asm__(
    ".globl immediate, in_displacement, table\n"
    "immediate:\n"
    "  mov $0x050f050f, %eax\n"  // b8 0f 05 0f 05
    "  ret\n"
    "  .byte 0xeb\n"  // looks like the start of a jump, is never run
    "table:\n"
    "  .byte 0x0f, 0x05, 0x90, 0x90, 0x90, 0x0f, 0x05, 0xc3, 0xcd, 0x80, 0x0f, 0x34\n"
    "in_displacement:\n"
    "  mov 0x050f(%rdi), %eax\n"  // 8b 87 0f 05 00 00
    "  ret\n");

int main(void) {
  static unsigned char data[0x0513];
  const unsigned char wanted[] = {0x0f, 0x05, 0x90, 0x90, 0x90, 0x0f,
                                  0x05, 0xc3, 0xcd, 0x80, 0x0f, 0x34};
  memcpy(data + 0x050f, "\x78\x56\x34\x12", 4);
  for (int i = 0; i < 10; i++) {
    CHECK(immediate() == 0x050f050f);
    CHECK(in_displacement(data) == 0x12345678);
    CHECK(memcmp(table, wanted, sizeof wanted) == 0);
    CHECK(getppid() > 0);
  }
  puts("ok: bytes untouched");
}
