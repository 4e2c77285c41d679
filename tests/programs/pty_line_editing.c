// A pseudo-terminal in its normal mode echoes, edits lines, and turns ctrl-D into end of input.
// build: -lutil
// expect: ok: a line was edited
#include <pty.h>

#include "check.h"

int main(void) {
  int master, terminal;
  char text[64] = "";
  CHECK(openpty(&master, &terminal, NULL, NULL, NULL) == 0 && master == 3 && terminal == 4);
  CHECK(isatty(master) && isatty(terminal) && !isatty(0));
  CHECK(write(master, "helxx\x7f\x7flo\n", 10) == 10);
  CHECK(read(terminal, text, 64) == 6 && memcmp(text, "hello\n", 6) == 0);
  memset(text, 0, sizeof text);
  read_all(master, text, 15);  // the echo, with its corrections
  CHECK(memcmp(text, "helxx\b \b\b \blo\r\n", 15) == 0);
  CHECK(write(master, "\x04", 1) == 1);
  CHECK(read(terminal, text, 64) == 0);
  CHECK(write(terminal, "out\n", 4) == 4);
  CHECK(ttyname(terminal) != NULL && strncmp(ttyname(terminal), "/dev/pts/", 9) == 0);
  puts("ok: a line was edited");
}
