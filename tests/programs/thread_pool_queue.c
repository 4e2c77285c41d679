// A pool of four threads takes jobs from a queue under a mutex; the jobs write files.
// build: -pthread
// expect: ok: 40 jobs
#include <pthread.h>

#include "check.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int queue[40], head, tail, finished, closed;

static void do_job(int number) {
  char name[16], text[32];
  snprintf(name, sizeof name, "job-%d", number);
  snprintf(text, sizeof text, "result %d\n", number * number);
  put_file(name, text);
}

static void* work(void* unused) {
  for (;;) {
    pthread_mutex_lock(&lock);
    while (head == tail && !closed) pthread_cond_wait(&changed, &lock);
    if (head == tail) break;
    int job = queue[head++];
    pthread_mutex_unlock(&lock);
    do_job(job);
    pthread_mutex_lock(&lock);
    finished++;
    pthread_mutex_unlock(&lock);
  }
  pthread_mutex_unlock(&lock);
  return unused;
}

int main(void) {
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, work, NULL) == 0);
  for (int i = 0; i < 40; i++) {
    pthread_mutex_lock(&lock);
    queue[tail++] = i;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
  }
  pthread_mutex_lock(&lock);
  closed = 1;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK(finished == 40 && file_is("job-39", "result 1521\n"));
  printf("ok: %d jobs\n", finished);
}
