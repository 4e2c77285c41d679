// A named POSIX semaphore is opened by name in a child and hands over turns.
// build: -pthread
// expect: ok: 100 turns
#include <semaphore.h>

#include "check.h"

int main(void) {
  char ping_name[64], pong_name[64];
  snprintf(ping_name, sizeof ping_name, "/mx-ping-%d", getpid());
  snprintf(pong_name, sizeof pong_name, "/mx-pong-%d", getpid());
  sem_t* ping = sem_open(ping_name, O_CREAT | O_EXCL, 0600, 0);
  sem_t* pong = sem_open(pong_name, O_CREAT | O_EXCL, 0600, 0);
  CHECK(ping != SEM_FAILED && pong != SEM_FAILED);
  pid_t child = fork();
  if (child == 0) {
    sem_t* other = sem_open(ping_name, 0);
    for (int i = 0; i < 100; i++) CHECK(sem_wait(other) == 0 && sem_post(pong) == 0);
    _exit(0);
  }
  for (int i = 0; i < 100; i++) CHECK(sem_post(ping) == 0 && sem_wait(pong) == 0);
  CHECK(wait_for(child) == 0);
  CHECK(sem_unlink(ping_name) == 0 && sem_unlink(pong_name) == 0);
  CHECK(sem_open(ping_name, 0) == SEM_FAILED && errno == ENOENT);
  puts("ok: 100 turns");
}
