// A file is read, then written through another descriptor: the first one sees the new bytes.
// expect: ok: new bytes seen
#include "check.h"

int main(void) {
  put_file("config", "old value");
  int reader = open("config", O_RDONLY);
  char text[16] = "";
  CHECK(read(reader, text, 3) == 3 && memcmp(text, "old", 3) == 0);
  int writer = open("config", O_WRONLY);
  CHECK(pwrite(writer, "new", 3, 0) == 3);
  CHECK(read(reader, text, 16) == 6 && memcmp(text, " value", 6) == 0);
  CHECK(pread(reader, text, 3, 0) == 3 && memcmp(text, "new", 3) == 0);
  put_file("config.new", "replaced");
  CHECK(rename("config.new", "config") == 0);
  CHECK(pread(reader, text, 9, 0) == 9 && memcmp(text, "new value", 9) == 0);
  CHECK(file_is("config", "replaced"));
  CHECK(ftruncate(writer, 0) == 0 && pread(reader, text, 9, 0) == 0);
  puts("ok: new bytes seen");
}
