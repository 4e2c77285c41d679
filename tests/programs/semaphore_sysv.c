// System V semaphores: a child waits for its parent; several operations are one; undo at exit.
// expect: ok: semaphores
#include <sys/sem.h>

#include "check.h"

static int change(int id, unsigned short index, short by, short flags) {
  struct sembuf operation = {index, by, flags};
  return semop(id, &operation, 1);
}

int main(void) {
  int id = semget(IPC_PRIVATE, 2, IPC_CREAT | 0600);
  CHECK(id >= 0 && semctl(id, 0, SETVAL, 0) == 0 && semctl(id, 1, SETVAL, 5) == 0);
  CHECK_FAILS(change(id, 0, -1, IPC_NOWAIT), EAGAIN);
  pid_t child = fork();
  if (child == 0) {
    CHECK(change(id, 0, -2, 0) == 0);  // waits for the parent
    CHECK(change(id, 1, -3, SEM_UNDO) == 0);
    CHECK(semctl(id, 1, GETVAL) == 2);
    _exit(0);
  }
  CHECK(change(id, 0, 1, 0) == 0 && change(id, 0, 1, 0) == 0);
  CHECK(wait_for(child) == 0);
  CHECK(semctl(id, 0, GETVAL) == 0 && semctl(id, 1, GETVAL) == 5);
  struct sembuf both[2] = {{1, -5, 0}, {0, -1, IPC_NOWAIT}};
  CHECK_FAILS(semop(id, both, 2), EAGAIN);
  CHECK(semctl(id, 1, GETVAL) == 5);
  CHECK(semctl(id, 0, IPC_RMID) == 0);
  CHECK_FAILS(change(id, 0, 1, 0), EINVAL);
  puts("ok: semaphores");
}
