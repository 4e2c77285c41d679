// Answers each line with its number, and makes a child for each, which ends soon. It knows its
// children: one that it is told of twice, or that it has not made, is the end.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t ended;
static pid_t children[4096];
static int living, count;

static void note(int sig) { ended = sig == SIGCHLD; }

static void forget(pid_t pid) {
  for (int i = 0; i < living; i++)
    if (children[i] == pid) {
      children[i] = children[--living];
      return;
    }
  fprintf(stderr, "%d is no child of mine\n", pid);
  abort();
}

static void reap(void) {
  ended = 0;
  for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;) forget(pid);
}

static void answer(const char* text) {
  char out[128];
  const int size = snprintf(out, sizeof out, "%d %s\n", ++count, text);
  if (write(1, out, size) != size) _exit(9);
}

int main(void) {
  struct sigaction action = {.sa_handler = note};
  sigaction(SIGCHLD, &action, NULL);
  answer("ready");
  for (char line[64];;) {
    if (ended) reap();
    const ssize_t n = read(0, line, sizeof line - 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    line[n] = 0;
    line[strcspn(line, "\n")] = 0;
    const pid_t child = fork();
    if (child == 0) _exit(usleep(1000));
    children[living++] = child;
    answer(line);
  }
  while (living) {
    const pid_t pid = wait(NULL);
    if (pid > 0) forget(pid);
  }
  return 5;
}
