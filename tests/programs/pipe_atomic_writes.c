// Records of four writers into one pipe never mix (PIPE_BUF).
// expect: ok: 400 whole records
#include "check.h"

enum { SIZE = 100 };

int main(void) {
  int fds[2], count = 0;
  CHECK(pipe(fds) == 0);
  for (int writer = 0; writer < 4; writer++) {
    if (fork() != 0) continue;
    char record[SIZE];
    memset(record, 'a' + writer, SIZE);
    for (int i = 0; i < 100; i++) CHECK(write(fds[1], record, SIZE) == SIZE);
    _exit(0);
  }
  CHECK(close(fds[1]) == 0);
  char record[SIZE];
  int seen[4] = {0};
  for (; count < 400; count++) {
    read_all(fds[0], record, SIZE);
    for (int i = 1; i < SIZE; i++) CHECK(record[i] == record[0]);
    seen[record[0] - 'a']++;
  }
  CHECK(read(fds[0], record, 1) == 0);
  for (int i = 0; i < 4; i++) CHECK(seen[i] == 100 && wait(NULL) > 0);
  printf("ok: %d whole records\n", count);
}
