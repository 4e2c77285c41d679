// exec passes arguments and environment exactly: empty words, long words, only what was given.
// expect: ok: arguments and environment
#include "check.h"

extern char** environ;

int main(int argc, char** argv) {
  static char long_word[100001];
  memset(long_word, 'x', 100000);
  if (argc == 4) {
    CHECK(strcmp(argv[0], "other name") == 0 && argv[1][0] == 0 && argv[4] == NULL);
    CHECK(strcmp(argv[2], long_word) == 0 && strcmp(argv[3], "last") == 0);
    CHECK(strcmp(environ[0], "ONE=1") == 0 && strcmp(environ[1], "TWO=") == 0);
    CHECK(environ[2] == NULL && getenv("PATH") == NULL);
    puts("ok: arguments and environment");
    return 0;
  }
  char* arguments[] = {(char*)"other name", (char*)"", long_word, (char*)"last", NULL};
  char* environment[] = {(char*)"ONE=1", (char*)"TWO=", NULL};
  execve("/proc/self/exe", arguments, environment);
  CHECK(!"exec failed");
}
