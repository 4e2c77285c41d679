// A parent asks its children in turn whether they have ended, in an order that goes by addresses.
// expect: ok: each of 8 children once
#include <sched.h>
#include <sys/wait.h>

#include "check.h"

enum { kChildren = 8 };
struct child {
  pid_t pid;
  int order, status;
};

// As a hash table would, whose keys are addresses: another one in each run.
static unsigned hash_of(const struct child* c) {
  return (unsigned)(((unsigned long)c >> 4) * 0x9e3779b97f4a7c15UL >> 40);
}

static int by_address(const void* a, const void* b) {
  unsigned x = hash_of(*(struct child*const*)a), y = hash_of(*(struct child*const*)b);
  return (x > y) - (x < y);
}

// 1 if the child has ended.
static int poll_child(struct child* c) {
  pid_t pid = waitpid(c->pid, &c->status, WNOHANG);
  CHECK(pid == 0 || pid == c->pid);
  return pid != 0;
}

int main(void) {
  struct child *children[kChildren], *left[kChildren];
  int ended = 0, sum = 0;
  for (int i = 0; i < kChildren; i++) {
    CHECK((children[i] = left[i] = calloc(1, sizeof **children)) != NULL);
    children[i]->order = i;
    CHECK((children[i]->pid = fork()) >= 0);
    if (children[i]->pid == 0) {
      usleep(3000 * (1 + i * 5 % kChildren));
      _exit(i);
    }
  }
  qsort(left, kChildren, sizeof left[0], by_address);
  while (ended < kChildren) {
    for (int i = 0; i < kChildren; i++)
      if (left[i] && poll_child(left[i])) {
        sum += WEXITSTATUS(left[i]->status) == left[i]->order;
        left[i] = NULL;
        ended++;
      }
    sched_yield();
  }
  CHECK(waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
  printf("ok: each of %d children once\n", sum);
}
