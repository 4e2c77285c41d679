// Children that fault die of the right signal: SEGV, BUS, ILL, FPE, TRAP, ABRT, KILL, SYS.
// expect: ok: 8 deaths
#include <sys/mman.h>

#include "check.h"

static volatile int zero;

static void fault(int signal) {
  int fd = open("empty", O_RDWR | O_CREAT, 0644);
  switch (signal) {
    case SIGSEGV:
      *(volatile int*)8 = 1;
      break;
    case SIGBUS:
      *(volatile char*)mmap(NULL, 1, PROT_WRITE, MAP_SHARED, fd, 0) = 1;
      break;
    case SIGILL:
      __asm__ volatile("ud2");
      break;
    case SIGFPE:
      __asm__ volatile("idivl %0" ::"m"(zero), "a"(1), "d"(0));
      break;
    case SIGTRAP:
      __asm__ volatile("int3");
      break;
    case SIGABRT:
      abort();
    default:
      raise(signal);
  }
  _exit(0);
}

int main(void) {
  const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGKILL, SIGSYS};
  for (int i = 0; i < 8; i++) {
    pid_t child = fork();
    if (child == 0) fault(signals[i]);
    CHECK(wait_for(child) == 128 + signals[i]);
  }
  puts("ok: 8 deaths");
}
