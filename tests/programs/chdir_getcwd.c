// chdir and fchdir move the current folder; a child has its own; a removed one is ENOENT.
// expect: ok: moved about
#include "check.h"

int main(void) {
  char start[4096], here[4096], small[2];
  CHECK(getcwd(start, sizeof start) != NULL);
  int fd = open(".", O_RDONLY);
  CHECK(mkdir("a", 0755) == 0 && mkdir("a/b", 0755) == 0);
  pid_t child = fork();
  if (child == 0) _exit(chdir("/tmp") == 0 ? 0 : 1);
  CHECK(wait_for(child) == 0);
  CHECK(chdir("a/b") == 0 && getcwd(here, sizeof here) != NULL);
  CHECK(strncmp(here, start, strlen(start)) == 0 && strcmp(here + strlen(start), "/a/b") == 0);
  put_file("file", "deep");
  CHECK(chdir("..") == 0 && file_is("b/file", "deep"));
  CHECK(rename("b/file", "../up") == 0 && rmdir("b") == 0);
  CHECK(mkdir("gone", 0755) == 0 && chdir("gone") == 0 && rmdir("../gone") == 0);
  errno = 0;
  CHECK(getcwd(here, sizeof here) == NULL && errno == ENOENT);
  CHECK(fchdir(fd) == 0 && file_is("up", "deep"));
  CHECK(getcwd(small, 2) == NULL && errno == ERANGE);
  CHECK_FAILS(chdir("up"), ENOTDIR);
  puts("ok: moved about");
}
