// Reads commands (a letter and a digit), runs each, prints the result. The same in both versions:
// what changes is in work.c.
#include <stdio.h>
#include <unistd.h>

#include "work.h"

static int read_command(char* c) {
  int n = 0;
  while (n < 2) {
    int got = read(0, c + n, 2 - n);
    if (got <= 0) return 0;
    n += got;
  }
  return 1;
}

int next_command(char* c) { return read_command(c); }

// The same by value: letter * 256 + digit; 0 at the end.
int command_now(void) {
  char c[2];
  return read_command(c) ? c[0] * 256 + c[1] : 0;
}

int main(void) {
  char c[2];
  setvbuf(stdout, 0, _IOLBF, 0);
  puts("ready");
  while (read_command(c)) printf("%c%c %d\n", c[0], c[1], work(c[0], c[1] - '0'));
  return 0;
}
