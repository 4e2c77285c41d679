// MSG_PEEK leaves data in place; MSG_WAITALL waits for all of it.
// expect: ok: peeked
#include <sys/socket.h>

#include "check.h"

int main(void) {
  int pair[2];
  char text[16] = "";
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  CHECK(write(pair[0], "abcdef", 6) == 6);
  CHECK(recv(pair[1], text, 3, MSG_PEEK) == 3 && memcmp(text, "abc", 3) == 0);
  CHECK(recv(pair[1], text, 16, MSG_PEEK) == 6);
  CHECK(recv(pair[1], text, 4, 0) == 4 && memcmp(text, "abcd", 4) == 0);
  pid_t child = fork();
  if (child == 0) {
    for (const char* p = "ghijkl"; *p; p++) CHECK(write(pair[0], p, 1) == 1);
    _exit(0);
  }
  CHECK(recv(pair[1], text, 8, MSG_WAITALL) == 8 && memcmp(text, "efghijkl", 8) == 0);
  CHECK(wait_for(child) == 0);
  puts("ok: peeked");
}
