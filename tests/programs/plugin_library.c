// A library that dlopen_library.c loads; it makes a system call of its own.
// build: shared
#include <sys/syscall.h>

int plugin_answer = 41;

long plugin_pid(void);
long plugin_pid(void) {
  long result = SYS_getpid;
  __asm__ volatile("syscall" : "+a"(result) : : "rcx", "r11", "memory");
  plugin_answer++;
  return result;
}
