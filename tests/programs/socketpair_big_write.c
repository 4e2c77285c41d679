// Four MiB go to a child through a socket pair in one blocking write, and come back.
// expect: ok: 4 MiB there and back
#include <sys/socket.h>

#include "check.h"

enum { SIZE = 4 << 20 };
static uint32_t data[SIZE / 4], back[SIZE / 4];

int main(void) {
  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  for (uint32_t i = 0; i < SIZE / 4; i++) data[i] = i * 2654435761u;
  pid_t child = fork();
  if (child == 0) {
    close(pair[0]);
    read_all(pair[1], back, SIZE);
    for (uint32_t i = 0; i < SIZE / 4; i++) back[i] ^= 0xffffffff;
    CHECK(write(pair[1], back, SIZE) == SIZE);
    _exit(0);
  }
  close(pair[1]);
  CHECK(write(pair[0], data, SIZE) == SIZE);
  read_all(pair[0], back, SIZE);
  for (uint32_t i = 0; i < SIZE / 4; i++) CHECK(back[i] == ~data[i]);
  CHECK(wait_for(child) == 0);
  puts("ok: 4 MiB there and back");
}
