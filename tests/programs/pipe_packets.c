// A pipe in packet mode keeps writes apart.
// expect: ok: packets
#include "check.h"

int main(void) {
  int fds[2];
  char text[16];
  CHECK(pipe2(fds, O_DIRECT) == 0);
  CHECK(write(fds[1], "first", 5) == 5 && write(fds[1], "second", 6) == 6);
  CHECK(read(fds[0], text, 16) == 5 && memcmp(text, "first", 5) == 0);
  CHECK(read(fds[0], text, 3) == 3 && memcmp(text, "sec", 3) == 0);
  CHECK(close(fds[1]) == 0);
  CHECK(read(fds[0], text, 16) == 0);  // the rest of a packet is lost
  puts("ok: packets");
}
