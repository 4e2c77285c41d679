// A forked child writes its parent's memory as it was, while the parent changes it (redis' save).
// expect: ok: snapshot of 100 values
#include "check.h"

static int values[100];

int main(void) {
  int go[2];
  CHECK(pipe(go) == 0);
  for (int i = 0; i < 100; i++) values[i] = i;
  pid_t child = fork();
  if (child == 0) {
    char c;
    CHECK(read(go[0], &c, 1) == 1);  // only after the parent has changed its own
    int fd = open("temp.rdb", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    write_all(fd, values, sizeof values);
    CHECK(fsync(fd) == 0 && close(fd) == 0 && rename("temp.rdb", "dump.rdb") == 0);
    _exit(0);
  }
  for (int i = 0; i < 100; i++) values[i] = -1;
  CHECK(write(go[1], "x", 1) == 1 && wait_for(child) == 0);
  int fd = open("dump.rdb", O_RDONLY), saved[100];
  read_all(fd, saved, sizeof saved);
  for (int i = 0; i < 100; i++) CHECK(saved[i] == i);
  CHECK(access("temp.rdb", F_OK) == -1 && errno == ENOENT);
  puts("ok: snapshot of 100 values");
}
