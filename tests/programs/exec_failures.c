// A failed exec leaves the process as it was and says why.
// expect: ok: exec refused
#include "check.h"

int main(void) {
  char* none[] = {(char*)"x", NULL};
  CHECK_FAILS(execve("/no/such/program", none, NULL), ENOENT);
  CHECK_FAILS(execve("/etc/passwd", none, NULL), EACCES);
  CHECK_FAILS(execve("/tmp", none, NULL), EACCES);
  put_file("text", "hello");
  CHECK(chmod("text", 0755) == 0);
  CHECK_FAILS(execve("./text", none, NULL), ENOEXEC);
  put_file("script", "#!/no/such/interpreter\n");
  CHECK(chmod("script", 0755) == 0);
  CHECK_FAILS(execve("./script", none, NULL), ENOENT);
  put_file("empty", "");
  CHECK(chmod("empty", 0755) == 0);
  CHECK_FAILS(execve("./empty", none, NULL), ENOEXEC);
  CHECK_FAILS(execve((char*)8, none, NULL), EFAULT);
  puts("ok: exec refused");
}
