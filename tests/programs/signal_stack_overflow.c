// Endless recursion is caught on an alternate stack.
// expect: ok: overflow caught
#include <setjmp.h>
#include <sys/resource.h>

#include "check.h"

static sigjmp_buf back;
static char alternate[65536];

static void handle(int signal) {
  char here;
  (void)signal;
  CHECK(&here >= alternate && &here < alternate + sizeof alternate);
  siglongjmp(back, 1);
}

static int __attribute__((noinline, noclone, optimize("O0"))) recurse(int depth) {
  volatile char space[4096];
  space[0] = (char)depth;
  return depth < 0 ? 0 : recurse(depth + 1) + space[0];
}

int main(void) {
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  struct rlimit limit = {1 << 20, 1 << 20};
  CHECK(setrlimit(RLIMIT_STACK, &limit) == 0 && sigaltstack(&stack, NULL) == 0);
  on_signal(SIGSEGV, handle, SA_ONSTACK);
  for (volatile int i = 0; i < 2; i++)
    if (sigsetjmp(back, 1) == 0) CHECK(recurse(0) == -1);
  puts("ok: overflow caught");
}
