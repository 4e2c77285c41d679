// Many datagrams go and come in one call.
// expect: ok: 10 messages
#include <sys/socket.h>

#include "check.h"

int main(void) {
  int pair[2];
  struct mmsghdr out[10] = {}, in[16] = {};
  struct iovec pieces[10], buffers[16];
  char text[16][16];
  CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
  for (int i = 0; i < 10; i++) {
    pieces[i] = (struct iovec){(void*)"0123456789", (size_t)i + 1};
    out[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
  }
  for (int i = 0; i < 16; i++) {
    buffers[i] = (struct iovec){text[i], 16};
    in[i].msg_hdr = (struct msghdr){.msg_iov = &buffers[i], .msg_iovlen = 1};
  }
  CHECK(sendmmsg(pair[0], out, 10, 0) == 10);
  for (int i = 0; i < 10; i++) CHECK(out[i].msg_len == (unsigned)i + 1);
  CHECK(recvmmsg(pair[1], in, 4, 0, NULL) == 4);
  CHECK(recvmmsg(pair[1], in + 4, 12, MSG_DONTWAIT, NULL) == 6);
  for (int i = 0; i < 10; i++)
    CHECK(in[i].msg_len == (unsigned)i + 1 && memcmp(text[i], "0123456789", in[i].msg_len) == 0);
  CHECK_FAILS(recvmmsg(pair[1], in, 1, MSG_DONTWAIT, NULL), EAGAIN);
  puts("ok: 10 messages");
}
