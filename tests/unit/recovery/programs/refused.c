// Changes that must be refused: a structure that grew, a frame that differs, a new variable.
#include <string.h>

#include "work.h"

#define NOINLINE __attribute__((noinline))

struct item {
  int price;
#ifdef GROWN_STRUCTURE
  long rebate;
#endif
  int count;
};
static struct item items[4];
#ifdef NEW_VARIABLE
static int discount = 3;
#endif
int next_command(char* c);

NOINLINE static int sell(struct item* i, int x) {
  i->price += x;
#ifdef GROWN_STRUCTURE
  i->rebate += x;
#endif
#ifdef NEW_VARIABLE
  discount += x;
  i->price += discount;
#endif
  i->count++;
  return i->price * i->count;
}

__attribute__((noclone)) NOINLINE static int waits(int x) {
#ifdef OTHER_FRAME
  volatile char big[4096];
  memset((void*)big, x, sizeof big);
#endif
  char c[2];
  next_command(c);
#ifdef OTHER_FRAME
  return c[1] - '0' + big[100];
#else
  return c[1] - '0';
#endif
}

int work(int command, int x) {
  if (command == 'i') return sell(&items[x & 3], x);
  if (command == 'w') return waits(x);
  return -1;
}
