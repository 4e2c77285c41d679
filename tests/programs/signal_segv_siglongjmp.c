// A SIGSEGV handler leaves by siglongjmp, repeatedly, and the program goes on.
// expect: ok: survived 5 faults
#include <setjmp.h>

#include "check.h"

static sigjmp_buf back;

static void handle(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  CHECK(info->si_addr == (void*)24 && info->si_code == SEGV_MAPERR);
  siglongjmp(back, 1);
}

int main(void) {
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
  CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
  for (volatile int i = 0; i < 5; i++) {
    if (sigsetjmp(back, 1) == 0) {
      *(volatile int*)24 = 1;
      CHECK(!"no fault");
    }
  }
  puts("ok: survived 5 faults");
}
