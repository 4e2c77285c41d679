// A window size is set and read back, and the foreground group gets SIGWINCH when it changes.
// build: -lutil
// expect: ok: 132 x 43
#include <pty.h>
#include <sys/ioctl.h>

#include "check.h"

static volatile sig_atomic_t changed;
static void handle(int signal) { changed = signal; }

int main(void) {
  struct winsize size = {.ws_row = 24, .ws_col = 80}, got;
  int master;
  char c;
  pid_t child = forkpty(&master, NULL, NULL, &size);
  if (child == 0) {
    sigset_t none;
    sigemptyset(&none);
    on_signal(SIGWINCH, handle, 0);
    mask_signal(SIG_BLOCK, SIGWINCH);
    CHECK(ioctl(0, TIOCGWINSZ, &got) == 0 && got.ws_row == 24 && got.ws_col == 80);
    CHECK(write(1, "r", 1) == 1);
    while (!changed) sigsuspend(&none);
    CHECK(ioctl(0, TIOCGWINSZ, &got) == 0);
    _exit(got.ws_col == 132 && got.ws_row == 43 ? 0 : 1);
  }
  read_all(master, &c, 1);
  size = (struct winsize){.ws_row = 43, .ws_col = 132};
  CHECK(ioctl(master, TIOCSWINSZ, &size) == 0);
  CHECK(wait_for(child) == 0);
  CHECK_FAILS(ioctl(0, TIOCGWINSZ, &got), ENOTTY);
  puts("ok: 132 x 43");
}
