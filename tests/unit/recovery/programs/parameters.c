// Functions that expect something else of their callers in the new version.
#include "work.h"

#define NOINLINE __attribute__((noinline, noclone))

#ifdef NEW_VERSION
static int discount = 3;
#endif

// Its callers changed with it, apart from one that cannot come along.
#ifdef NEW_VERSION
NOINLINE static int priced(int x, long rebate, int count) { return x * 10 * count - (int)rebate; }
#else
NOINLINE static int priced(int x, int count) { return x * 10 + count; }
#endif

// p
NOINLINE static int asks(int x) {
#ifdef NEW_VERSION
  return priced(x, 4, 2) + 1;
#else
  return priced(x, 1) + 1;
#endif
}

// k: keeps its own code, because the new one needs a new variable.
NOINLINE static int keeps(int x) {
#ifdef NEW_VERSION
  discount += x;
  return priced(x, discount, 5);
#else
  return priced(x, 2);
#endif
}

// w: the caller reads the same in both versions.
static volatile int base = 5;
#ifdef NEW_VERSION
NOINLINE static int wide(long x) { return (int)(x >> 32) + base + 2; }
#else
NOINLINE static int wide(int x) { return x + base; }
#endif
NOINLINE static int same_caller(void) { return wide(6); }

// t: called through a table.
#ifdef NEW_VERSION
NOINLINE static int tabled(int x, int y) { return x + y + 9; }
int (*volatile table[1])(int, int) = {tabled};
#else
NOINLINE static int tabled(int x) { return x + 8; }
int (*volatile table[1])(int) = {tabled};
#endif
NOINLINE static int through_table(int x) {
#ifdef NEW_VERSION
  return table[0](x, x);
#else
  return table[0](x);
#endif
}

int work(int command, int x) {
  switch (command) {
    case 'p':
      return asks(x);
    case 'k':
      return keeps(x);
    case 'w':
      return same_caller();
    case 't':
      return through_table(x);
  }
  return -1;
}
