// sendmsg gathers, recvmsg scatters, tells the sender, and marks what was cut.
// expect: ok: messages
#include <sys/socket.h>
#include <sys/un.h>

#include "check.h"

int main(void) {
  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
  struct iovec out[3] = {{(void*)"ab", 2}, {(void*)"", 0}, {(void*)"cdef", 4}};
  struct msghdr send_it = {.msg_iov = out, .msg_iovlen = 3};
  CHECK(sendmsg(pair[0], &send_it, 0) == 6 && sendmsg(pair[0], &send_it, 0) == 6);
  char a[3], b[8];
  struct sockaddr_un name;
  struct iovec in[2] = {{a, 3}, {b, 8}};
  struct msghdr get = {
      .msg_iov = in, .msg_iovlen = 2, .msg_name = &name, .msg_namelen = sizeof name};
  CHECK(recvmsg(pair[1], &get, 0) == 6 && get.msg_flags == 0 && get.msg_namelen == 0);
  CHECK(memcmp(a, "abc", 3) == 0 && memcmp(b, "def", 3) == 0);
  get.msg_iovlen = 1;
  CHECK(recvmsg(pair[1], &get, 0) == 3 && get.msg_flags == MSG_TRUNC);
  CHECK_FAILS(recvmsg(pair[1], &get, MSG_DONTWAIT), EAGAIN);
  puts("ok: messages");
}
