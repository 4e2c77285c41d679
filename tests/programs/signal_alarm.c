// alarm returns the seconds left of the one before; 0 cancels it.
// expect: ok: alarm
#include "check.h"

int main(void) {
  CHECK(alarm(100) <= 15);  // check.h's own
  unsigned left = alarm(50);
  CHECK(left <= 100 && left > 80);
  pid_t child = fork();
  if (child == 0) _exit((int)alarm(0));  // not inherited by fork
  CHECK(wait_for(child) == 0);
  left = alarm(0);
  CHECK(left <= 50 && left > 30);
  CHECK(alarm(15) == 0);
  puts("ok: alarm");
}
