// A process waits in open of a fifo while its parent ends; the other side comes after that.
// expect: ok: met 20 times
#include "check.h"

static int asleep(pid_t pid) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  int fd = open(path, O_RDONLY);
  CHECK(fd >= 0);
  ssize_t n = read(fd, text, sizeof text - 1);
  CHECK(n > 0 && close(fd) == 0);
  text[n] = 0;
  return strrchr(text, ')')[2] == 'S';
}

static void meet(const char* fifo) {
  int to_main[2], gate[2];
  char text[8];
  CHECK(mkfifo(fifo, 0644) == 0 && pipe(to_main) == 0 && pipe(gate) == 0);
  pid_t parent = fork();
  if (parent == 0) {
    pid_t reader = fork();
    if (reader == 0) {
      close(gate[1]);
      int fd = open(fifo, O_RDONLY);  // its parent ends meanwhile
      CHECK(fd >= 0 && read(fd, text, 8) == 3 && write(to_main[1], text, 3) == 3);
      _exit(0);
    }
    if (fork() == 0) {
      close(gate[1]);
      CHECK(read(gate[0], text, 1) == 0);  // until the parent has ended
      int fd = open(fifo, O_WRONLY);
      CHECK(fd >= 0 && write(fd, "met", 3) == 3);
      _exit(0);
    }
    for (int seen = 0; seen < 3;) seen = asleep(reader) ? seen + 1 : 0;
    _exit(0);
  }
  close(gate[1]);
  CHECK(wait_for(parent) == 0);
  CHECK(read(to_main[0], text, 8) == 3 && !memcmp(text, "met", 3));
  close(gate[0]), close(to_main[0]), close(to_main[1]);
}

int main(void) {
  for (int i = 0; i < 20; i++) {
    char fifo[16];  // a writer may still have the last one open
    snprintf(fifo, sizeof fifo, "fifo%d", i);
    meet(fifo);
  }
  puts("ok: met 20 times");
}
