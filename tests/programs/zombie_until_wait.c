// A dead child stays visible as a zombie until it is waited for; ignored SIGCHLD leaves none.
// expect: ok: zombies
#include "check.h"

static char state(pid_t pid) {
  char path[32], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd = open(path, O_RDONLY);
  if (fd == -1) return '-';
  ssize_t size = read(fd, text, sizeof text - 1);
  CHECK(size > 0 && close(fd) == 0);
  text[size] = 0;
  return strrchr(text, ')')[2];
}

int main(void) {
  siginfo_t info;
  pid_t child = fork();
  if (child == 0) _exit(1);
  CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
  CHECK(state(child) == 'Z' && kill(child, 0) == 0);
  CHECK(wait_for(child) == 1 && state(child) == '-');
  CHECK_FAILS(kill(child, 0), ESRCH);
  signal(SIGCHLD, SIG_IGN);
  child = fork();
  if (child == 0) _exit(1);
  CHECK_FAILS(waitpid(child, NULL, 0), ECHILD);  // waits for the end, then finds nothing
  puts("ok: zombies");
}
