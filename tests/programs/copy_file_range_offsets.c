// copy_file_range copies within the kernel, with its own offsets or the files'.
// expect: ok: copied
#include "check.h"

int main(void) {
  put_file("from", "0123456789");
  int from = open("from", O_RDONLY), to = open("to", O_RDWR | O_CREAT, 0644);
  off64_t in = 5, out = 2;
  CHECK(copy_file_range(from, NULL, to, NULL, 4, 0) == 4);
  CHECK(lseek(from, 0, SEEK_CUR) == 4 && lseek(to, 0, SEEK_CUR) == 4);
  CHECK(copy_file_range(from, &in, to, &out, 100, 0) == 5 && in == 10 && out == 7);
  CHECK(file_is("to", "0156789"));
  CHECK(copy_file_range(from, &in, to, &out, 100, 0) == 0);
  CHECK_FAILS(copy_file_range(from, NULL, to, NULL, 1, 1), EINVAL);
  CHECK_FAILS(copy_file_range(to, NULL, from, NULL, 1, 0), EBADF);
  puts("ok: copied");
}
