// Functions that wait for their next command on the stack, and whose
// frame is another one in the new version. Each keeps values over the
// wait and shows all of them after it, so that one that got lost shows.
#include <stdio.h>
#include <string.h>

#include "work.h"

#define NOINLINE __attribute__((noinline))

int command_now(void);
int next_command(char* c);

static int history[4];
static unsigned at;

NOINLINE static int scaled(int x) {
  history[at++ % 4] = x;
  return x * 3;
}
NOINLINE static void show(const char* what, int a, long b, int c, long d) {
  printf("%s %d %ld %d %ld\n", what, a, b, c, d);
}

// g: the new version has more locals; they are not in use while it waits.
NOINLINE static int grows(int x) {
#ifdef NEW_VERSION
  int first, second, third;
  long wide;
#endif
  int sum = x, rounds = 0;
  long product = x + 1;
  short last = -1;
  for (;;) {
    int c = command_now();
    if (c / 256 != 'g') break;
    int digit = c % 256 - '0';
    rounds++;
    product = product * 3 + digit;
#ifdef NEW_VERSION
    first = scaled(digit);
    second = scaled(first + 1);
    third = scaled(second + first);
    wide = scaled(third) + (long)first * second;
    sum += 1000 + first - third + (int)wide + second - first + third - second - (int)wide;
#else
    sum += digit;
#endif
    show("grows", sum, product, rounds, last);
    last = -(short)digit;
  }
  return sum + rounds;
}

// l: the new version has fewer.
NOINLINE static int shrinks(int x) {
#ifndef NEW_VERSION
  int first, second, third;
#endif
  long total = 7L * x;
  int sum = x, rounds = 0;
  for (;;) {
    int c = command_now();
    if (c / 256 != 'l') break;
    int digit = c % 256 - '0';
    rounds += 1;
    total += digit;
#ifndef NEW_VERSION
    first = scaled(digit);
    second = scaled(first + 2);
    third = scaled(second + first);
    sum += first + second + third - first - second - third + digit;
#else
    sum += 100 + digit;
#endif
    show("shrinks", sum, total, rounds, x);
  }
  return sum;
}

// o: the same locals, declared in another order, and used in another one (optimised code then gives
// them other registers).
NOINLINE static int reordered(int x) {
#ifdef NEW_VERSION
  char flag = 'n';
  long b = 40 + x;
  int d = 4;
  int a = 10 + x;
  long c = 90 + x;
#else
  int a = 10 + x;
  long b = 40 + x;
  long c = 90 + x;
  int d = 4;
  char flag = 'n';
#endif
  for (;;) {
    int now = command_now();
    if (now / 256 != 'o') break;
#ifdef NEW_VERSION
    c += now % 256 - '0';
    c += flag == 'n' ? 1000 : 0;
    d = d * 2;
    b += a;
    a++;
#else
    a++;
    b += a;
    d = d * 2;
    c += now % 256 - '0';
#endif
    flag = flag == 'n' ? 'y' : 'n';
    show("reordered", a, b, d, c);
  }
  return a + flag;
}

// m: a structure and many values; the new version has
// a pointer more that it uses between two other calls.
struct triple {
  long x, y;
  int z;
};
NOINLINE static int many(int x) {
#ifdef NEW_VERSION
  volatile int extra;
#endif
  volatile int i = x, j = x + 1;
  volatile unsigned char k = 200;
  volatile short l = -3000;
  volatile long m = 1L << 40;
  volatile double n = 0.5;
  for (;;) {
    int now = command_now();
    if (now / 256 != 'm') break;
#ifdef NEW_VERSION
    extra = now % 256 - '0';
    i += extra + 100;
#else
    i += now % 256 - '0';
#endif
    j += 2;
    k++;
    l--;
    m += j;
    n *= 2;
    show("many", i, m + l, j + k, (long)(n * 4));
  }
  return i;
}

// r: equal frames, but each version keeps the two values in the other's register (gcc obeys).
NOINLINE static int registers(int x) {
#ifdef NEW_VERSION
  register long a asm("r12") = 10 + x;
  register long b asm("rbx") = 20 + x;
#else
  register long a asm("rbx") = 10 + x;
  register long b asm("r12") = 20 + x;
#endif
  for (;;) {
    int now = command_now();
    if (now / 256 != 'r') break;
#ifdef NEW_VERSION
    a += 1000 + now % 256 - '0';
#else
    a += now % 256 - '0';
#endif
    b += 2 * a;
    show("registers", (int)a, b, 0, 0);
  }
  return (int)(a + b);
}

// b: an array whose address others have, and that would have to move.
NOINLINE static int buffer(int x) {
#ifdef NEW_VERSION
  volatile char more[100];
  memset((void*)more, x, sizeof more);
#endif
  char c[24];
  int sum = x;
  while (next_command(c) && c[0] == 'b') {
    sum += c[1] - '0';
#ifdef NEW_VERSION
    sum += more[7] * 0;
#endif
    show("buffer", sum, 0, 0, 0);
  }
  return sum;
}

// v: the new version knows something while it waits that the old one never did.
NOINLINE static int newcomer(int x) {
#ifdef NEW_VERSION
  int before = scaled(x);
#endif
  int sum = x;
  for (;;) {
    int now = command_now();
    if (now / 256 != 'v') break;
    sum += now % 256 - '0';
#ifdef NEW_VERSION
    sum += before;
    before++;
#endif
    show("newcomer", sum, 0, 0, 0);
  }
  return sum;
}

int work(int command, int x) {
  switch (command) {
    case 'g':
      return grows(x);
    case 'l':
      return shrinks(x);
    case 'o':
      return reordered(x);
    case 'm':
      return many(x);
    case 'r':
      return registers(x);
    case 'b':
      return buffer(x);
    case 'v':
      return newcomer(x);
  }
  return -1;
}
