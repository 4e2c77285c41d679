// Code written at run time makes system calls, is rewritten, and makes others.
// expect: ok: generated code
#include <sys/mman.h>

#include "check.h"

// mov $number, %eax; syscall; ret
static void generate(unsigned char* code, unsigned number) {
  memcpy(code, "\xb8\0\0\0\0\x0f\x05\xc3", 8);
  memcpy(code + 1, &number, 4);
}

int main(void) {
  unsigned char* code =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  long (*call)(long) = (long (*)(long))(void*)code;
  for (int i = 0; i < 20; i++) {
    CHECK(mprotect(code, 4096, PROT_READ | PROT_WRITE) == 0);
    generate(code, i % 2 ? SYS_getpid : SYS_getppid);
    CHECK(mprotect(code, 4096, PROT_READ | PROT_EXEC) == 0);
    CHECK(call(0) == (i % 2 ? getpid() : getppid()));
  }
  // A page that is writable and executable at once, changed in place between calls.
  unsigned char* both =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  call = (long (*)(long))(void*)both;
  for (int i = 0; i < 20; i++) {
    generate(both, i % 2 ? SYS_getuid : SYS_getpid);
    CHECK(call(0) == (i % 2 ? 0 : getpid()));
  }
  generate(both, SYS_close);
  CHECK(call(99) == -EBADF);
  puts("ok: generated code");
}
