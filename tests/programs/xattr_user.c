// Extended attributes are set, listed, read and removed, by path and by descriptor.
// expect: ok: attributes
#include <sys/xattr.h>

#include "check.h"

int main(void) {
  put_file("file", "");
  int fd = open("file", O_RDWR);
  char text[64] = "";
  CHECK(setxattr("file", "user.colour", "green", 5, XATTR_CREATE) == 0);
  CHECK_FAILS(fsetxattr(fd, "user.colour", "red", 3, XATTR_CREATE), EEXIST);
  CHECK(fsetxattr(fd, "user.size", "10", 2, 0) == 0);
  CHECK(getxattr("file", "user.colour", NULL, 0) == 5);
  CHECK(fgetxattr(fd, "user.colour", text, 64) == 5 && strcmp(text, "green") == 0);
  CHECK_FAILS(getxattr("file", "user.colour", text, 2), ERANGE);
  CHECK(flistxattr(fd, text, 64) >= (ssize_t)(sizeof "user.colour" + sizeof "user.size"));
  CHECK(removexattr("file", "user.colour") == 0);
  CHECK_FAILS(lgetxattr("file", "user.colour", text, 64), ENODATA);
  puts("ok: attributes");
}
