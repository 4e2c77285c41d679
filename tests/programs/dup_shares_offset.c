// dup shares the open file description: offset and status flags, not the descriptor flags.
// expect: ok: shared offset
#include "check.h"

int main(void) {
  put_file("file", "0123456789");
  int a = open("file", O_RDWR | O_CLOEXEC), b = dup(a), c = open("file", O_RDONLY);
  char text[4];
  CHECK(read(a, text, 3) == 3 && read(b, text, 1) == 1 && text[0] == '3');
  CHECK(lseek(b, 0, SEEK_CUR) == 4 && lseek(c, 0, SEEK_CUR) == 0);
  CHECK(fcntl(a, F_GETFD) == FD_CLOEXEC && fcntl(b, F_GETFD) == 0);
  CHECK(fcntl(b, F_SETFL, O_APPEND) == 0 && (fcntl(a, F_GETFL) & O_APPEND));
  CHECK(close(a) == 0);
  CHECK(read(b, text, 1) == 1 && text[0] == '4');
  puts("ok: shared offset");
}
