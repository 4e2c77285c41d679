// One mechanism a letter; each keeps state, so that new code on the old state shows.
#include "work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

#ifdef NEW_VERSION
// Only in the new version: moves everything that follows, in code and in read-only data.
static const char filler[] = "a text that only the new version has, long enough to move all others";
static const int weights[4] = {5, 7, 11, 13};
NOINLINE static int added_helper(int x) {
  return (int)strlen(filler) - (int)strlen(filler) + 100 * x;
}
static int padding_code(int x) { return x * 3 + weights[x & 3]; }
int (*volatile keep_padding)(int) = padding_code;
#if !defined(__PIC__) || \
    defined(__PIE__)  // in a shared library the place in the block is part of the code
// Moves the thread-local variables that both versions have.
__thread long only_new[5] = {1, 2, 3, 4, 5};
long use_only_new(int x) { return only_new[x & 3]; }
#endif
#else
static const int weights[4] = {1, 2, 3, 4};
static int padding_code(int x) { return x + weights[x & 3]; }
int (*volatile keep_padding)(int) = padding_code;
#endif

static int total = 10;
static int history[8];
static unsigned at;
static __thread int per_thread = 3;
int exported = 1000;
// The file does not hold it: a copy of the other version's module has addresses for it, no bytes.
char only_memory[100 << 20];

NOINLINE static void note(int x) { history[at++ % 8] = x; }

// a: a changed function that uses statics, unchanged and added functions.
NOINLINE static int add(int x) {
  note(x);
#ifdef NEW_VERSION
  total += added_helper(x);
#else
  total += x;
#endif
  return total;
}

// p: reached through a pointer that was stored before the change.
NOINLINE static int through_pointer(int x) {
#ifdef NEW_VERSION
  return exported - x;
#else
  return exported + x;
#endif
}
static int (*handlers[2])(int) = {add, through_pointer};
int (*volatile stored)(int);

// s: a jump table, other in each version.
NOINLINE static int choose(int x) {
#ifdef NEW_VERSION
  switch (x) {
    case 0:
      return total + 1;
    case 1:
      note(1);
      return 21;
    case 2:
      return (int)at * 0 + 32;
    case 3:
      return exported + 43;
    case 4:
      return getppid() * 0 + 54;
    case 5:
      note(2);
      return 65;
    case 6:
      return 76;
    case 7:
      return 87;
  }
#else
  switch (x) {
    case 0:
      return total;
    case 1:
      return 20;
    case 2:
      note(3);
      return 30;
    case 3:
      return exported + 40;
    case 4:
      return (int)at * 0 + 50;
    case 5:
      note(4);
      return 60;
    case 6:
      return getppid() * 0 + 70;
    case 7:
      return 80;
  }
#endif
  return -1;
}

// t: a thread-local variable.
NOINLINE static int local(int x) {
#ifdef NEW_VERSION
  per_thread += 10 * x;
#else
  per_thread += x;
#endif
  return per_thread;
}

// q: called back by the C library.
NOINLINE static int compare(const void* a, const void* b) {
  int x = *(const int*)a, y = *(const int*)b;
#ifdef NEW_VERSION
  return y - x;
#else
  return x - y;
#endif
}
NOINLINE static int sorted_first(int x) {
  int v[4] = {4, x, 9, 6};
  qsort(v, 4, sizeof v[0], compare);
  return v[0];
}

// n: active on the stack while it waits for its next command.
int next_command(char* c);
#ifdef NEW_VERSION
#define FACTOR 1000
#else
#define FACTOR 1
#endif
NOINLINE static int nested(int x) {
  char c[2];
  int sum = x;
  while (next_command(c)) {
    if (c[0] == '.') break;
    sum += (c[1] - '0') * FACTOR;
    note(sum);
    printf("%c%c nested %d\n", c[0], c[1], sum);
  }
  return sum;
}

// c: constants and text of the new version.
NOINLINE static int constants(int x) {
#ifdef NEW_VERSION
  static const char* const names[] = {"alpha", "beta", "gamma", "delta"};
  return (int)strlen(names[x & 3]) + 10 * weights[x & 3];
#else
  return weights[x & 3];
#endif
}

int work(int command, int x) {
  if (!stored) stored = handlers[1];
  switch (command) {
    case 'a':
      return add(x);
    case 'p':
      return stored(x);
    case 's':
      return choose(x);
    case 't':
      return local(x);
    case 'q':
      return sorted_first(x);
    case 'n':
      return nested(x);
    case 'c':
      return constants(x);
    case 'h':
      return history[(at - 1) % 8];
  }
  return -1;
}
