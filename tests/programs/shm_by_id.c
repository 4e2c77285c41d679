// Another process attaches a segment by its id alone, as soon as that exists.
// expect: ok: the same memory
#include <sys/shm.h>

#include "check.h"

int main(void) {
  int way[2], id;
  CHECK(pipe(way) == 0);
  pid_t child = fork();
  if (child == 0) {  // born before the segment
    CHECK(read(way[0], &id, sizeof id) == sizeof id);
    char* memory = shmat(id, NULL, 0);
    CHECK(memory != (void*)-1);
    strcpy(memory, "from the child");
    _exit(shmdt(memory));
  }
  for (int i = 0; i < 100; i++) id = (int)getppid();  // the parent's follower is behind
  CHECK((id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600)) >= 0);
  CHECK(write(way[1], &id, sizeof id) == sizeof id);
  char* memory = shmat(id, NULL, 0);
  CHECK(wait_for(child) == 0 && strcmp(memory, "from the child") == 0);
  CHECK(shmctl(id, IPC_RMID, NULL) == 0 && shmdt(memory) == 0);
  puts("ok: the same memory");
}
