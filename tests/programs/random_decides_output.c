// AT_RANDOM, getrandom and /dev/urandom decide what is written: both versions take the same way.
// expect: ok: decided by chance
#include <sys/auxv.h>
#include <sys/random.h>

#include "check.h"

int main(void) {
  unsigned char bytes[48];
  memcpy(bytes, (void*)getauxval(AT_RANDOM), 16);
  CHECK(getrandom(bytes + 16, 16, 0) == 16);
  FILE* file = fopen("/dev/urandom", "r");
  CHECK(file != NULL && fread(bytes + 32, 1, 16, file) == 16);
  int fd = open("file", O_WRONLY | O_CREAT, 0644);
  off_t size = 0;
  for (int i = 0; i < 48; i++) {
    CHECK(write(fd, bytes, bytes[i] % 48) == bytes[i] % 48);
    size += bytes[i] % 48;
  }
  CHECK(lseek(fd, 0, SEEK_CUR) == size && unlink("file") == 0);
  puts("ok: decided by chance");
}
