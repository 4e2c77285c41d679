// A program works as another effective user between calls as root, as mail servers do, and has its files all the time.
// expect: ok: two users
#include "check.h"

enum { kUser = 65534 };

int main(void) {
  int ends[2], file = open("file", O_RDWR | O_CREAT | O_EXCL, 0644);
  CHECK(file >= 0);
  CHECK(setegid(kUser) == 0 && seteuid(kUser) == 0);
  CHECK(pipe(ends) == 0);
  for (int i = 0; i < 60; i++) {
    char c = (char)i;
    CHECK(write(ends[1], &c, 1) == 1 && read(ends[0], &c, 1) == 1 && c == (char)i);
    if (i % 10 == 5) {
      CHECK(seteuid(0) == 0 && geteuid() == 0 && write(file, "root\n", 5) == 5);
      CHECK(seteuid(kUser) == 0 && geteuid() == kUser);
    }
    pid_t child = i % 20 ? 0 : fork();
    if (i % 20 == 0 && child == 0) _exit(write(file, "user\n", 5) == 5 ? 0 : 1);
    if (i % 20 == 0) CHECK(wait_for(child) == 0);
  }
  CHECK(lseek(file, 0, SEEK_CUR) == 45);
  puts("ok: two users");
}
