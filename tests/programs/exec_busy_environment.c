// A program with a thousand environment variables and a long argument list passes them on.
// expect: ok: 1000 variables, 500 arguments
#include "check.h"

extern char** environ;

int main(int argc, char** argv) {
  static char names[1000][32], words[500][16];
  static char *environment[1001], *arguments[502];
  int count = 0;
  if (argc > 1) {
    while (environ[count]) count++;
    CHECK(argc == 501 && strcmp(argv[500], "word-499") == 0);
    CHECK(strcmp(getenv("NAME_777"), "777") == 0);
    printf("ok: %d variables, %d arguments\n", count, argc - 1);
    return 0;
  }
  for (int i = 0; i < 1000; i++) {
    snprintf(names[i], sizeof names[i], "NAME_%d=%d", i, i);
    environment[i] = names[i];
  }
  arguments[0] = argv[0];
  for (int i = 0; i < 500; i++) {
    snprintf(words[i], sizeof words[i], "word-%d", i);
    arguments[i + 1] = words[i];
  }
  execve("/proc/self/exe", arguments, environment);
  CHECK(!"exec failed");
}
