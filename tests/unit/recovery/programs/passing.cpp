// Exceptions and frames that are rebuilt.
#include <cstdio>

extern "C" {
#include "work.h"
int command_now(void);
}

#define NOINLINE __attribute__((noinline))

namespace {

int destroyed;
struct Guard {
  int weight;
  ~Guard() { destroyed += weight; }
};

NOINLINE int scaled(int x) { return x * 3; }

// c: has an object to destroy, so its frame cannot be rebuilt.
NOINLINE int careful(int x) {
#ifdef NEW_VERSION
  volatile long more = 5;
#endif
  Guard g{x};
  volatile int sum = x;
  for (int c; (c = command_now()) / 256 == 'c';) {
#ifdef NEW_VERSION
    more = more + 1;
    sum = sum + 100;
#else
    sum = sum + c % 256 - '0';
#endif
    std::printf("careful %d\n", sum);
  }
  return sum;
}

// Unchanged: waits, then throws or returns.
NOINLINE int waits_and_throws(int x) {
  int c = command_now();
  if (c % 256 == '0') throw x + c / 256;
  return c % 256 - '0';
}

// Changed, with another frame, and nothing to destroy: exceptions pass it.
NOINLINE int passes(int x) {
#ifdef NEW_VERSION
  volatile long first, second;
#endif
  volatile int kept = x + 50;
  int got = waits_and_throws(x);
#ifdef NEW_VERSION
  first = scaled(got);
  second = first + kept;
  return static_cast<int>(second) + 1000;
#else
  return got + kept;
#endif
}

// e: unchanged; its values live in registers that `passes` saves.
NOINLINE int outermost(int x) {
  int a = scaled(x), b = scaled(a), c = scaled(b), d = scaled(c);
  try {
    a += passes(x);
  } catch (int thrown) {
    a += 100000 * thrown;
  }
  std::printf("outermost %d %d %d %d\n", a, b, c, d);
  return a + b + c + d;
}

}  // namespace

extern "C" int work(int command, int x) {
  if (command == 'c') return careful(x);
  if (command == 'e') return outermost(x);
  if (command == 'd') return destroyed;
  return -1;
}
