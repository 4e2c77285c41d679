// One function for each thing that the analyser must tell apart (findings_test.cpp). -DNEW_VERSION
// is the update.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEPT __attribute__((noinline, noclone, used))
extern char** environ;

KEPT static int helper(int x) { return x * 3 + 1; }
int other_helper(int x);

KEPT int first_name(int x) { return x ^ 0x55; }
int second_name(int x) __attribute__((alias("first_name")));

static int fast(int x) { return x << 4; }
static int slow(int x) { return x * 16 + 0; }
static int (*choose(void))(int) { return environ ? fast : slow; }
int chosen(int x) __attribute__((ifunc("choose")));

__attribute__((constructor)) void before_main(void) { setvbuf(stdout, NULL, _IONBF, 0); }
__attribute__((destructor)) void after_main(void) { puts("end"); }

KEPT int straight(int x) { return x + 41; }

KEPT int branchy(int x) {
  int sum = 0;
  while (x > 1) {
    sum += x & 1 ? helper(x) : 2;
    x = x & 1 ? 3 * x + 1 : x / 2;
  }
  return sum;
}

KEPT int dispatch(int x) {
  switch (x) {
    case 0:
      return puts("none");
    case 1:
      return puts("only one");
    case 2:
      return puts("two of them") + helper(x);
    case 3:
      return puts("three of them") - 1;
    case 4:
      return printf("%d\n", x);
    case 5:
      return abs(x) * 3;
    case 6:
      return getpid();
    case 7:
      return puts("the last") + 2;
  }
  return -1;
}

KEPT int goes_on(int x) { return branchy(x + 1); }
KEPT int in_a_table(int x) { return x - 5; }
KEPT int by_lea(const void* a, const void* b) { return *(const int*)a - *(const int*)b; }
int (*table[])(int) = {in_a_table, goes_on};
KEPT int through_pointer(int k) { return table[k & 1](k) + 1; }

long counters[4];
KEPT void globals(void) { counters[1] += 7; }
KEPT char* through_got(void) { return environ[0]; }

KEPT __attribute__((cold)) void failed(const char* what, int x) {
  fprintf(stderr, "%s %d\n", what, x);
  abort();
}
KEPT int careful(int x, int y) {
  if (__builtin_expect(y == 0, 0)) {
    failed("division by", y);
    abort();
  }
  return x / y + x % 7;
}

struct grows {
  int a, b;
#ifdef NEW_VERSION
  long more;
#endif
};
struct swaps {
#ifdef NEW_VERSION
  long right, left;
#else
  long left, right;
#endif
};
#ifdef NEW_VERSION
enum state { IDLE, STARTING, RUNNING };
#else
enum state { IDLE, RUNNING };
#endif
struct grows one_grows;
enum state state = RUNNING;
KEPT long uses_swaps(struct swaps* s) { return s->left * 2 - s->right; }

#ifdef NEW_VERSION
int only_new = 5;
int grown[8];
KEPT int constant_only(int x) { return x * 77 + 1001; }
KEPT int new_global(int x) { return x + only_new; }
KEPT int resized(int k) { return grown[k & 7] + 1; }
KEPT int bigger_frame(int x) {
  char text[400];
  snprintf(text, sizeof text, "%d", x);
  return strlen(text);
}
KEPT int calls_more(int x) { return helper(x) + straight(helper(x + 1)) + 1; }
#else
int grown[4];
KEPT int constant_only(int x) { return x * 77 + 1000; }
KEPT int new_global(int x) { return x + 3; }
KEPT int resized(int k) { return grown[k & 3] + 1; }
KEPT int bigger_frame(int x) {
  char text[40];
  snprintf(text, sizeof text, "%d", x);
  return strlen(text);
}
KEPT int calls_more(int x) { return helper(x) + 1; }
#endif

int main(int argc, char** argv) {
  int numbers[] = {argc, 3, 2, 1};
  struct swaps s = {argc, 2};
  qsort(numbers, 4, sizeof numbers[0], by_lea);
  globals();
  printf("%s %d %d\n", through_got(), first_name(argc), second_name(2));
  printf("%ld %d\n", uses_swaps(&s), one_grows.a + state);
  return dispatch(argc) + chosen(argc) + straight(1) + through_pointer(argc) +
         careful(argc, numbers[0]) + other_helper(argc) + constant_only(argc) + new_global(argc) +
         resized(argc) + bigger_frame(argc) + calls_more(argc);
}
