// Fifty children at once, each with its own exit status, are collected in any order.
// expect: ok: 50 children
#include "check.h"

int main(void) {
  pid_t children[50];
  int seen[50] = {0}, go[2], status;
  CHECK(pipe(go) == 0);
  for (int i = 0; i < 50; i++) {
    children[i] = fork();
    if (children[i] == 0) {
      char c;
      CHECK(close(go[1]) == 0 && read(go[0], &c, 1) == 0);
      _exit(100 + i);
    }
  }
  CHECK(close(go[1]) == 0);
  for (int count = 0; count < 50; count++) {
    pid_t pid = wait(&status);
    int i = 0;
    while (i < 50 && children[i] != pid) i++;
    CHECK(i < 50 && seen[i]++ == 0 && WEXITSTATUS(status) == 100 + i);
  }
  puts("ok: 50 children");
}
