// A handler changes the interrupted registers: the program goes on behind the faulting code.
// expect: ok: skipped 3 faults
#include <ucontext.h>

#include "check.h"

static volatile int faults;

static void handle(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)info;
  ucontext_t* where = context;
  where->uc_mcontext.gregs[REG_RIP] += 2;  // ud2 has two bytes
  where->uc_mcontext.gregs[REG_RAX] = 1000 + ++faults;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
  CHECK(sigaction(SIGILL, &action, NULL) == 0);
  for (int i = 1; i <= 3; i++) {
    long result;
    __asm__ volatile("ud2" : "=a"(result) : "a"(0) : "memory");
    CHECK(result == 1000 + i && faults == i);
  }
  puts("ok: skipped 3 faults");
}
