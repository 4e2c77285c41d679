// Static objects are built before main and destroyed after it, in reverse order.
// exit: 3
// expect: built first
// expect: built second
// expect: main
// expect: destroyed second
// expect: destroyed first
#include "check.h"

struct Noisy {
  const char* name;
  explicit Noisy(const char* n) : name(n) { printf("built %s\n", name); }
  ~Noisy() { printf("destroyed %s\n", name); }
};

static Noisy first("first"), second("second");

int main() {
  puts("main");
  return 3;
}
