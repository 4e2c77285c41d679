// A child reads the lines of a file that its parent appends to, as `tail -f` does.
// expect: ok: 20 lines followed
#include "check.h"

int main(void) {
  put_file("log", "");
  int done[2], to_child[2];
  CHECK(pipe(done) == 0 && pipe(to_child) == 0);
  pid_t child = fork();
  if (child == 0) {
    char text[64], c;
    int fd = open("log", O_RDONLY);
    for (int i = 0; i < 20; i++) {
      CHECK(read(to_child[0], &c, 1) == 1);
      ssize_t n = read(fd, text, sizeof text - 1);
      CHECK(n > 0);
      text[n] = 0;
      CHECK(atoi(text) == i && read(fd, text, 1) == 0);
      CHECK(write(done[1], "d", 1) == 1);
    }
    _exit(0);
  }
  char c;
  int fd = open("log", O_WRONLY | O_APPEND);
  for (int i = 0; i < 20; i++) {
    CHECK(dprintf(fd, "%d\n", i) > 0);
    CHECK(write(to_child[1], "w", 1) == 1 && read(done[0], &c, 1) == 1);
  }
  CHECK(wait_for(child) == 0);
  puts("ok: 20 lines followed");
}
