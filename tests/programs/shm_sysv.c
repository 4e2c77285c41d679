// A System V shared memory segment is shared with a child and goes away when removed.
// expect: ok: shared segment
#include <sys/shm.h>

#include "check.h"

int main(void) {
  int id = shmget(IPC_PRIVATE, 8192, IPC_CREAT | 0600);
  CHECK(id >= 0);
  char* memory = shmat(id, NULL, 0);
  CHECK(memory != (void*)-1 && memory[0] == 0);
  pid_t child = fork();
  if (child == 0) {
    char* other = shmat(id, NULL, 0);
    strcpy(other, "from the child");
    CHECK(strcmp(memory, "from the child") == 0);
    _exit(shmdt(other));
  }
  CHECK(wait_for(child) == 0 && strcmp(memory, "from the child") == 0);
  struct shmid_ds info;
  CHECK(shmctl(id, IPC_STAT, &info) == 0 && info.shm_segsz == 8192 && info.shm_nattch == 1);
  CHECK(info.shm_cpid == getpid());
  CHECK(shmctl(id, IPC_RMID, NULL) == 0 && strcmp(memory, "from the child") == 0);
  CHECK(shmdt(memory) == 0);
  CHECK_FAILS(shmdt(memory), EINVAL);
  CHECK_FAILS(shmctl(id, IPC_STAT, &info), EINVAL);
  puts("ok: shared segment");
}
