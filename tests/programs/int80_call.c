// The 32-bit gate: who knocks there goes on, or ends by SIGSEGV where the kernel has no such gate.
// report-allows: refused -- 32-bit calls are refused with ENOSYS on purpose and the report says so
// expect: int 0x80: no surprise
#include <sys/wait.h>

#include "check.h"

int main(void) {
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    signal(SIGSEGV, SIG_DFL);
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(20L)  // getpid in the 32-bit table
                     : "memory", "r8", "r9", "r10", "r11");
    _exit((int)result == getpid() || (int)result == -ENOSYS ? 0 : 1);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  bool no_gate = WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
  CHECK(no_gate || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
  puts("int 0x80: no surprise");
}
