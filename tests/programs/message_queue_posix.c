// A POSIX message queue hands out by priority, can be polled, and times out.
// expect: ok: messages by priority
#include <mqueue.h>
#include <poll.h>

#include "check.h"

int main(void) {
  char name[64], text[32];
  unsigned priority;
  snprintf(name, sizeof name, "/mx-queue-%d", getpid());
  struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 32};
  mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
  CHECK(queue == 3);
  CHECK(mq_send(queue, "low", 4, 1) == 0 && mq_send(queue, "high", 5, 9) == 0);
  CHECK(mq_receive(queue, text, 32, &priority) == 5 && priority == 9 && strcmp(text, "high") == 0);
  CHECK(mq_receive(queue, text, 32, &priority) == 4 && priority == 1);
  struct timespec past = {1, 0};
  CHECK_FAILS(mq_timedreceive(queue, text, 32, NULL, &past), ETIMEDOUT);
  CHECK_FAILS(mq_receive(queue, text, 3, NULL), EMSGSIZE);
  pid_t child = fork();
  if (child == 0) _exit(mq_send(queue, "child", 6, 0) == 0 ? 0 : 1);
  struct pollfd set = {queue, POLLIN, 0};
  CHECK(poll(&set, 1, -1) == 1);
  CHECK(mq_receive(queue, text, 32, NULL) == 6 && wait_for(child) == 0);
  CHECK(mq_getattr(queue, &attributes) == 0 && attributes.mq_curmsgs == 0);
  CHECK(mq_unlink(name) == 0 && mq_close(queue) == 0);
  puts("ok: messages by priority");
}
