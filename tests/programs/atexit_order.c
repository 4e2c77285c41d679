// exit runs handlers in reverse order and flushes; _exit runs nothing.
// expect: main
// expect: second
// expect: first
#include "check.h"

static void first(void) { puts("first"); }
static void second(void) { puts("second"); }

int main(void) {
  CHECK(atexit(first) == 0 && atexit(second) == 0);
  pid_t child = fork();
  if (child == 0) {
    puts("never flushed");
    _exit(0);
  }
  CHECK(wait_for(child) == 0);
  puts("main");
  exit(0);
}
