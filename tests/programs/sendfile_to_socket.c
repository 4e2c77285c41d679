// A large file reaches a child through a socket by sendfile alone.
// expect: ok: 300000 bytes
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "check.h"

enum { SIZE = 300000 };

static void receive(int fd) {
  static unsigned char data[SIZE];
  read_all(fd, data, SIZE);
  for (int i = 0; i < SIZE; i++) CHECK(data[i] == (unsigned char)(i * 7));
  CHECK(read(fd, data, 1) == 0);
  _exit(0);
}

int main(void) {
  int pair[2], fd = open("file", O_RDWR | O_CREAT, 0644);
  unsigned char* data = malloc(SIZE);
  for (int i = 0; i < SIZE; i++) data[i] = (unsigned char)(i * 7);
  write_all(fd, data, SIZE);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  pid_t child = fork();
  if (child == 0) {
    close(pair[0]);
    receive(pair[1]);
  }
  close(pair[1]);
  for (off_t offset = 0; offset < SIZE;) CHECK(sendfile(pair[0], fd, &offset, SIZE) > 0);
  CHECK(close(pair[0]) == 0);
  CHECK(wait_for(child) == 0);
  puts("ok: 300000 bytes");
}
