// termios settings are kept; a raw terminal passes bytes unchanged; a closed one is EIO.
// build: -lutil
// expect: ok: raw bytes
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>

#include "check.h"

int main(void) {
  int master, terminal, waiting;
  struct termios settings, got;
  CHECK(openpty(&master, &terminal, NULL, NULL, NULL) == 0);
  CHECK(tcgetattr(terminal, &settings) == 0 && (settings.c_lflag & ICANON));
  cfmakeraw(&settings);
  CHECK(cfsetspeed(&settings, B9600) == 0 && tcsetattr(terminal, TCSANOW, &settings) == 0);
  CHECK(tcgetattr(terminal, &got) == 0 && !(got.c_lflag & (ICANON | ECHO)));
  CHECK(cfgetospeed(&got) == B9600);
  char text[16] = "";
  CHECK(write(master, "\x03\x04\r\n\x7f", 5) == 5);
  read_all(terminal, text, 5);
  CHECK(memcmp(text, "\x03\x04\r\n\x7f", 5) == 0);
  CHECK(write(terminal, "a\nb", 3) == 3);
  read_all(master, text, 3);
  CHECK(memcmp(text, "a\nb", 3) == 0);
  struct pollfd set = {terminal, POLLIN, 0};
  CHECK(write(master, "lost", 4) == 4 && poll(&set, 1, -1) == 1);
  CHECK(ioctl(terminal, TIOCINQ, &waiting) == 0 && waiting == 4);
  CHECK(tcflush(terminal, TCIFLUSH) == 0 && ioctl(terminal, TIOCINQ, &waiting) == 0 &&
        waiting == 0);
  CHECK(close(terminal) == 0);
  CHECK_FAILS(read(master, text, 16), EIO);
  CHECK_FAILS(tcgetattr(0, &got), ENOTTY);
  puts("ok: raw bytes");
}
