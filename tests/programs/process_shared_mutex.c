// A mutex and a condition in shared memory work between parent and children.
// build: -pthread
// expect: ok: 4000
#include <pthread.h>
#include <sys/mman.h>

#include "check.h"

struct shared {
  pthread_mutex_t lock;
  pthread_cond_t started;
  int go, counter;
};

int main(void) {
  struct shared* s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_t mutex;
  pthread_condattr_t condition;
  CHECK(pthread_mutexattr_init(&mutex) == 0 && pthread_condattr_init(&condition) == 0);
  CHECK(pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED) == 0);
  CHECK(pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED) == 0);
  CHECK(pthread_mutex_init(&s->lock, &mutex) == 0);
  CHECK(pthread_cond_init(&s->started, &condition) == 0);
  pid_t children[4];
  for (int i = 0; i < 4; i++) {
    if ((children[i] = fork()) != 0) continue;
    pthread_mutex_lock(&s->lock);
    while (!s->go) pthread_cond_wait(&s->started, &s->lock);
    pthread_mutex_unlock(&s->lock);
    for (int j = 0; j < 1000; j++) {
      pthread_mutex_lock(&s->lock);
      s->counter++;
      pthread_mutex_unlock(&s->lock);
    }
    _exit(0);
  }
  pthread_mutex_lock(&s->lock);
  s->go = 1;
  pthread_cond_broadcast(&s->started);
  pthread_mutex_unlock(&s->lock);
  for (int i = 0; i < 4; i++) CHECK(wait_for(children[i]) == 0);
  printf("ok: %d\n", s->counter);
}
