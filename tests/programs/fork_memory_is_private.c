// After fork memory is a copy, a MAP_SHARED mapping is not, and file offsets are shared.
// expect: ok: private and shared
#include <sys/mman.h>

#include "check.h"

static int global = 1;

int main(void) {
  int* shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int local = 1, *heap = malloc(sizeof *heap);
  *heap = 1;
  put_file("file", "0123456789");
  int fd = open("file", O_RDWR);
  pid_t child = fork();
  if (child == 0) {
    global = local = *heap = *shared = 2;
    CHECK(lseek(fd, 4, SEEK_SET) == 4 && write(fd, "xy", 2) == 2);
    _exit(0);
  }
  CHECK(wait_for(child) == 0);
  CHECK(global == 1 && local == 1 && *heap == 1 && *shared == 2);
  CHECK(lseek(fd, 0, SEEK_CUR) == 6 && file_is("file", "0123xy6789"));
  puts("ok: private and shared");
}
