// A small shop: structures, statics, switch tables,
// function pointers, strings. -DNEW_VERSION is the update.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { BOOK, FOOD, TOOL, TOY, MUSIC, FILM, GAME, OTHER };
struct item {
  char name[32];
  int price;
  enum kind kind;
#ifdef NEW_VERSION
  int discount;
#endif
  struct item* next;
};
struct basket {
  int count, total;
};

static struct item* items;
static int sold[8];
int verbose = 1;
const double rates[] = {0.07, 0.19, 0.0, 0.25};
#ifdef NEW_VERSION
static int refunds;
#endif

static const char* kind_name(enum kind k) {
  switch (k) {
    case BOOK:
      return "book";
    case FOOD:
      return "food";
    case TOOL:
      return "tool";
    case TOY:
      return "toy";
    case MUSIC:
      return "music";
    case FILM:
      return "film";
    case GAME:
      return "game";
    default:
      return "other";
  }
}

__attribute__((noinline)) static void say(const char* format, ...) {
  va_list list;
  if (!verbose) return;
  va_start(list, format);
  vprintf(format, list);
  va_end(list);
}

__attribute__((noinline)) int tax(enum kind k, int price) {
  switch (k) {
    case BOOK:
      return (int)(price * rates[0]);
    case FOOD:
      return (int)(price * rates[0]) + 1;
    case TOOL:
      return (int)(price * rates[1]);
    case TOY:
      return (int)(price * rates[1]) + 2;
    case MUSIC:
      return (int)(price * rates[3]);
    case FILM:
      return (int)(price * rates[3]) + 3;
    case GAME:
      return price / 3;
    default:
      return 0;
  }
}

__attribute__((noinline)) struct item* add(const char* name, int price, enum kind k) {
  struct item* i = calloc(1, sizeof *i);
  if (!i) abort();
  strncpy(i->name, name, sizeof i->name - 1);
  i->price = price;
  i->kind = k;
  i->next = items;
  items = i;
  return i;
}

__attribute__((noinline)) struct item* find(const char* name) {
  for (struct item* i = items; i; i = i->next)
    if (strcmp(i->name, name) == 0) return i;
  return NULL;
}

__attribute__((noinline)) int sell(struct basket* b, const char* name) {
  struct item* i = find(name);
  if (!i) {
    say("no %s here\n", name);
    return -1;
  }
  int price = i->price + tax(i->kind, i->price);
#ifdef NEW_VERSION
  price -= i->discount;
  if (price < 0) {
    say("price of %s below zero\n", name);
    price = 0;
  }
#endif
  b->count++;
  b->total += price;
  sold[i->kind]++;
  say("sold %s (%s) for %d\n", i->name, kind_name(i->kind), price);
  return price;
}

#ifdef NEW_VERSION
__attribute__((noinline)) int refund(struct basket* b, const char* name) {
  struct item* i = find(name);
  if (!i || b->count == 0) return -1;
  b->count--;
  b->total -= i->price;
  say("refund %d of %s\n", ++refunds, name);
  return i->price;
}
#else
__attribute__((noinline)) void clear(struct basket* b) {
  say("cleared %d things\n", b->count);
  memset(b, 0, sizeof *b);
}
#endif

__attribute__((noinline)) int compare(const void* a, const void* b) {
  return *(const int*)a - *(const int*)b;
}

__attribute__((noinline)) void report(const struct basket* b) {
  int copy[8];
  memcpy(copy, sold, sizeof copy);
  qsort(copy, 8, sizeof copy[0], compare);
  for (int k = 0; k < 8; k++) say("%s: %d\n", kind_name((enum kind)k), copy[k]);
  say("total %d for %d\n", b->total, b->count);
}

__attribute__((noinline)) int unused_but_kept(int x) { return x * 17 + 3; }
int (*table[])(int) = {unused_but_kept, NULL};

int main(int argc, char** argv) {
  struct basket b = {0, 0};
  add("novel", 12, BOOK);
  add("bread", 3, FOOD);
  add("hammer", 25, TOOL);
  add("ball", 7, TOY);
  for (int k = 1; k < argc; k++) sell(&b, argv[k]);
  sell(&b, "bread");
#ifdef NEW_VERSION
  refund(&b, "bread");
#else
  clear(&b);
#endif
  report(&b);
  return table[0](argc) == 0;
}
