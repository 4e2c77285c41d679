// Descriptors travel to a child in a message and keep their offset; the numbers are new.
// expect: ok: descriptors passed
#include <sys/socket.h>

#include "check.h"

struct message {
  union {
    char space[CMSG_SPACE(2 * sizeof(int))];
    struct cmsghdr align;
  } control;
  char byte;
  struct iovec piece;
  struct msghdr header;
};

static struct cmsghdr* prepare(struct message* m) {
  memset(m, 0, sizeof *m);
  m->piece = (struct iovec){&m->byte, 1};
  m->header = (struct msghdr){.msg_iov = &m->piece,
                              .msg_iovlen = 1,
                              .msg_control = &m->control,
                              .msg_controllen = sizeof m->control};
  return CMSG_FIRSTHDR(&m->header);
}

static void take(int fd) {
  struct message m;
  struct cmsghdr* part = prepare(&m);
  CHECK(recvmsg(fd, &m.header, MSG_CMSG_CLOEXEC) == 1 && m.header.msg_flags == MSG_CMSG_CLOEXEC);
  CHECK(part->cmsg_type == SCM_RIGHTS && part->cmsg_len == CMSG_LEN(2 * sizeof(int)));
  int fds[2];
  memcpy(fds, CMSG_DATA(part), sizeof fds);
  CHECK(fds[0] == 4 && fds[1] == 5 && fcntl(4, F_GETFD) == FD_CLOEXEC);
  char c;
  CHECK(read(4, &c, 1) == 1 && c == '3' && write(5, "!", 1) == 1);
  _exit(0);
}

int main(void) {
  int pair[2], fds[2], pipes[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  pid_t child = fork();
  if (child == 0) {
    close(pair[0]), dup2(pair[1], 3), close(4);
    take(3);
  }
  put_file("file", "0123456789");
  CHECK(pipe(pipes) == 0);
  fds[0] = open("file", O_RDONLY), fds[1] = pipes[1];
  CHECK(lseek(fds[0], 3, SEEK_SET) == 3);
  struct message m;
  struct cmsghdr* part = prepare(&m);
  part->cmsg_level = SOL_SOCKET, part->cmsg_type = SCM_RIGHTS,
  part->cmsg_len = CMSG_LEN(sizeof fds);
  memcpy(CMSG_DATA(part), fds, sizeof fds);
  CHECK(sendmsg(pair[0], &m.header, 0) == 1 && wait_for(child) == 0);
  CHECK(lseek(fds[0], 0, SEEK_CUR) == 4 && read(pipes[0], &m.byte, 1) == 1 && m.byte == '!');
  puts("ok: descriptors passed");
}
