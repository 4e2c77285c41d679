// wait4 hands out the child's use of resources; getrusage adds up all children.
// expect: ok: usage
#include <sys/resource.h>

#include "check.h"

int main(void) {
  struct rusage usage, children;
  int status;
  CHECK(getrusage(RUSAGE_CHILDREN, &children) == 0 && children.ru_maxrss == 0);
  pid_t child = fork();
  if (child == 0) {
    char* memory = malloc(8 << 20);
    memset(memory, 1, 8 << 20);
    __asm__ volatile("" ::"r"(memory) : "memory");
    _exit(0);
  }
  CHECK(wait4(child, &status, 0, &usage) == child && status == 0);
  CHECK(usage.ru_maxrss >= 8 << 10 && usage.ru_minflt > 0);
  CHECK(getrusage(RUSAGE_CHILDREN, &children) == 0 && children.ru_maxrss >= 8 << 10);
  CHECK(getrusage(RUSAGE_SELF, &usage) == 0 && usage.ru_minflt > 0);
  CHECK_FAILS(getrusage(99, &usage), EINVAL);
  puts("ok: usage");
}
