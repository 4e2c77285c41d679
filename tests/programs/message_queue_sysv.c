// A System V message queue keeps messages by type and order.
// expect: ok: messages by type
#include <sys/msg.h>

#include "check.h"

struct message {
  long type;
  char text[16];
};

int main(void) {
  int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
  struct message out = {2, "second type"}, in;
  CHECK(id >= 0);
  CHECK(msgsnd(id, &out, 12, 0) == 0);
  out = (struct message){1, "first type"};
  CHECK(msgsnd(id, &out, 11, 0) == 0);
  CHECK(msgrcv(id, &in, 16, 1, 0) == 11 && in.type == 1 && strcmp(in.text, "first type") == 0);
  CHECK_FAILS(msgrcv(id, &in, 4, 0, 0), E2BIG);
  CHECK(msgrcv(id, &in, 4, 0, MSG_NOERROR) == 4 && in.type == 2);
  CHECK_FAILS(msgrcv(id, &in, 16, 0, IPC_NOWAIT), ENOMSG);
  pid_t child = fork();
  if (child == 0) _exit(msgsnd(id, &out, 11, 0) == 0 ? 0 : 1);
  CHECK(msgrcv(id, &in, 16, 0, 0) == 11 && in.type == 1);
  CHECK(wait_for(child) == 0);
  struct msqid_ds info;
  CHECK(msgctl(id, IPC_STAT, &info) == 0 && info.msg_qnum == 0 && info.msg_lspid == child);
  CHECK(msgctl(id, IPC_RMID, NULL) == 0);
  puts("ok: messages by type");
}
