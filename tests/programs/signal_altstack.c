// SA_ONSTACK handlers run on the alternate stack, others on the normal one; state is told.
// expect: ok: stacks
#include "check.h"

static char alternate[32768];
static volatile int on_alternate, flags_elsewhere;

static void handle(int signal) {
  char here;
  stack_t now;
  (void)signal;
  on_alternate = &here >= alternate && &here < alternate + sizeof alternate;
  CHECK(sigaltstack(NULL, &now) == 0);
  CHECK(now.ss_flags == (on_alternate ? SS_ONSTACK : flags_elsewhere));
  stack_t other = {.ss_flags = SS_DISABLE};
  if (on_alternate) CHECK_FAILS(sigaltstack(&other, NULL), EPERM);
}

int main(void) {
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate}, now;
  CHECK(sigaltstack(NULL, &now) == 0 && now.ss_flags == SS_DISABLE);
  CHECK(sigaltstack(&stack, &now) == 0 && now.ss_flags == SS_DISABLE);
  on_signal(SIGUSR1, handle, SA_ONSTACK);
  on_signal(SIGUSR2, handle, 0);
  CHECK(raise(SIGUSR1) == 0 && on_alternate);
  CHECK(raise(SIGUSR2) == 0 && !on_alternate);
  CHECK(sigaltstack(NULL, &now) == 0 && now.ss_sp == alternate && now.ss_size == sizeof alternate);
  stack.ss_size = 100;
  CHECK_FAILS(sigaltstack(&stack, NULL), ENOMEM);
  stack.ss_flags = flags_elsewhere = SS_DISABLE;
  CHECK(sigaltstack(&stack, NULL) == 0 && raise(SIGUSR1) == 0 && !on_alternate);
  puts("ok: stacks");
}
