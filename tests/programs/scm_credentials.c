// SO_PASSCRED and SO_PEERCRED tell the sender's process, user and group.
// expect: ok: credentials
#include <sys/socket.h>

#include "check.h"

int main(void) {
  int pair[2], on = 1;
  struct ucred peer;
  socklen_t size = sizeof peer;
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  CHECK(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0);
  CHECK(peer.pid == getpid() && peer.uid == getuid() && peer.gid == getgid());
  CHECK(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
  pid_t child = fork();
  if (child == 0) {
    CHECK(setgid(1000) == 0 && setuid(1000) == 0 && write(pair[1], "c", 1) == 1);
    _exit(0);
  }
  char c;
  union {
    char space[CMSG_SPACE(sizeof peer)];
    struct cmsghdr align;
  } control;
  struct iovec piece = {&c, 1};
  struct msghdr message = {.msg_iov = &piece,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
  CHECK(recvmsg(pair[0], &message, 0) == 1);
  struct cmsghdr* part = CMSG_FIRSTHDR(&message);
  CHECK(part != NULL && part->cmsg_type == SCM_CREDENTIALS);
  memcpy(&peer, CMSG_DATA(part), sizeof peer);
  CHECK(peer.pid == child && peer.uid == 1000 && peer.gid == 1000);
  CHECK(wait_for(child) == 0);
  puts("ok: credentials");
}
