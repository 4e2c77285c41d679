// Puts itself into the background, once a byte has come on its standard input, and serves one
// client after the other: each line comes back with its number; "pid" is answered with the process
// id, and after "end" it leaves.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void go_into_background(void) {
  int parents[2];
  char none;
  if (pipe(parents) != 0) exit(5);
  if (fork() != 0) _exit(0);
  if (setsid() < 0) exit(6);
  if (fork() != 0) _exit(0);
  close(parents[1]);
  if (read(parents[0], &none, 1) != 0) exit(7);  // until both have ended
  close(parents[0]);
  for (int fd = 0; fd < 3; fd++) close(fd);
}

static void serve(int fd) {
  FILE* client = fdopen(fd, "r");
  char line[256];
  for (int n = 1; fgets(line, sizeof line, client); n++) {
    if (strcmp(line, "end\n") == 0) exit(0);
    char answer[300];
    int size = strcmp(line, "pid\n") == 0 ? snprintf(answer, sizeof answer, "%d\n", (int)getpid())
                                          : snprintf(answer, sizeof answer, "%d %s", n, line);
    send(fd, answer, (size_t)size, MSG_NOSIGNAL);
  }
  fclose(client);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  struct sockaddr_in at = {.sin_family = AF_INET,
                           .sin_port = htons(atoi(argv[1])),
                           .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr*)&at, sizeof at) || listen(listener, 8)) return 1;
  char byte;
  if (read(0, &byte, 1) != 1) return 3;
  go_into_background();
  for (;;) serve(accept(listener, NULL, NULL));
}
