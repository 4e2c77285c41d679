// A server forks a child for each client of a unix socket and collects them by SIGCHLD.
// expect: ok: 8 clients, 8 children
#include <sys/socket.h>
#include <sys/un.h>

#include "check.h"

static volatile sig_atomic_t collected;

static void collect(int signal) {
  (void)signal;
  while (waitpid(-1, NULL, WNOHANG) > 0) collected++;
}

int main(void) {
  struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "server"};
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(bind(listener, (struct sockaddr*)&name, sizeof name) == 0 && listen(listener, 8) == 0);
  on_signal(SIGCHLD, collect, SA_RESTART);
  for (int i = 0; i < 8; i++) {
    int client = socket(AF_UNIX, SOCK_STREAM, 0), number;
    CHECK(connect(client, (struct sockaddr*)&name, sizeof name) == 0);
    int server = accept(listener, NULL, NULL);
    CHECK(server >= 0);
    if (fork() == 0) {
      read_all(server, &number, sizeof number);
      number *= number;
      write_all(server, &number, sizeof number);
      _exit(0);
    }
    CHECK(close(server) == 0);
    write_all(client, &i, sizeof i);
    read_all(client, &number, sizeof number);
    CHECK(number == i * i && close(client) == 0);
  }
  mask_signal(SIG_BLOCK, SIGCHLD);
  sigset_t none;
  sigemptyset(&none);
  while (collected < 8) sigsuspend(&none);
  CHECK(unlink("server") == 0);
  printf("ok: 8 clients, %d children\n", (int)collected);
}
