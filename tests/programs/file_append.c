// O_APPEND writes at the end whatever the file offset is, also through two descriptions.
// expect: ok: appended
#include "check.h"

int main(void) {
  put_file("log", "start;");
  int a = open("log", O_WRONLY | O_APPEND), b = open("log", O_RDWR | O_APPEND);
  CHECK(a >= 0 && b >= 0);
  for (int i = 0; i < 3; i++) {
    CHECK(lseek(a, 0, SEEK_SET) == 0);
    CHECK(write(a, "a", 1) == 1);
    CHECK(write(b, "b", 1) == 1);
  }
  CHECK(lseek(b, 0, SEEK_CUR) == 12);
  CHECK(file_is("log", "start;ababab"));
  puts("ok: appended");
}
