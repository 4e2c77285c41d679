// system() and popen() run a shell and hand back its status and output.
// expect: said by the shell
// expect: ok: status and output
#include "check.h"

int main(void) {
  char line[64] = "";
  CHECK(system("echo said by the shell") == 0);
  int status = system("exit 9");
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
  CHECK(WEXITSTATUS(system("/no/such/program 2>/dev/null")) == 127);
  FILE* pipe = popen("echo $((6 * 7)); exit 3", "r");
  CHECK(fgets(line, sizeof line, pipe) && strcmp(line, "42\n") == 0);
  status = pclose(pipe);
  CHECK(WEXITSTATUS(status) == 3);
  pipe = popen("cat > out", "w");
  CHECK(fputs("through a pipe\n", pipe) >= 0 && pclose(pipe) == 0);
  CHECK(file_is("out", "through a pipe\n"));
  puts("ok: status and output");
}
