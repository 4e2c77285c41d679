// Parent and child answer each other 200 times over two pipes.
// expect: ok: 200 rounds
#include "check.h"

int main(void) {
  int to[2], from[2], number = 0;
  CHECK(pipe(to) == 0 && pipe(from) == 0);
  pid_t child = fork();
  if (child == 0) {
    close(to[1]);
    close(from[0]);
    while (read(to[0], &number, sizeof number) == sizeof number) {
      number++;
      write_all(from[1], &number, sizeof number);
    }
    _exit(0);
  }
  close(to[0]);
  close(from[1]);
  for (int i = 0; i < 200; i++) {
    write_all(to[1], &number, sizeof number);
    read_all(from[0], &number, sizeof number);
    CHECK(number == i + 1);
  }
  close(to[1]);
  CHECK(wait_for(child) == 0);
  puts("ok: 200 rounds");
}
