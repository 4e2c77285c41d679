// Coroutines switch stacks with swapcontext and make calls on their own small stacks.
// expect: abcabcabc
// expect: ok: switched
#include <ucontext.h>

#include "check.h"

static ucontext_t home, routines[3];
static char stacks[3][16384];

static void run(int number) {
  for (volatile int i = 0; i < 3; i++) {
    char c = (char)('a' + number);
    CHECK(write(1, &c, 1) == 1);
    CHECK(swapcontext(&routines[number], &home) == 0);
  }
}

int main(void) {
  for (volatile int i = 0; i < 3; i++) {
    CHECK(getcontext(&routines[i]) == 0);
    routines[i].uc_stack.ss_sp = stacks[i];
    routines[i].uc_stack.ss_size = sizeof stacks[i];
    routines[i].uc_link = &home;
    makecontext(&routines[i], (void (*)(void))run, 1, i);
  }
  for (volatile int i = 0; i < 12; i++) CHECK(swapcontext(&home, &routines[i % 3]) == 0);
  write_all(1, "\n", 1);
  puts("ok: switched");
}
