// A process maps a file that another one, which has not inherited it, has mapped: they are the same pages.
// expect: ok: the same pages
#include <sys/mman.h>

#include "check.h"

static char* map_file(void) {
  int fd = open("file", O_RDWR | O_CREAT, 0644);
  CHECK(fd >= 0 && ftruncate(fd, 8192) == 0);
  char* at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(at != MAP_FAILED && close(fd) == 0);
  return at;
}

static void write_there(int turn) {
  char* at = map_file();
  CHECK(turn == 1 || strcmp(at, "from the parent") == 0);
  snprintf(at + 4096 * (turn % 2) + 64 * turn, 64, "from child %d", turn);
  _exit(munmap(at, 8192));
}

int main(void) {
  int way[2], turn;
  CHECK(pipe(way) == 0);
  pid_t first = fork();
  if (first == 0) {  // born before the file
    CHECK(read(way[0], &turn, sizeof turn) == sizeof turn);
    write_there(turn);
  }
  char* at = map_file();
  strcpy(at, "from the parent");
  turn = 1;
  for (int i = 0; i < 100; i++) CHECK(getppid() > 0);
  CHECK(write(way[1], &turn, sizeof turn) == sizeof turn);
  CHECK(wait_for(first) == 0);
  for (turn = 2; turn < 5; turn++) {
    pid_t next = fork();
    if (next == 0) {
      CHECK(munmap(at, 8192) == 0);
      write_there(turn);
    }
    CHECK(wait_for(next) == 0);
  }
  for (turn = 1; turn < 5; turn++) {
    char text[64];
    snprintf(text, sizeof text, "from child %d", turn);
    CHECK(strcmp(at + 4096 * (turn % 2) + 64 * turn, text) == 0);
  }
  puts("ok: the same pages");
}
