// One background thread closes and removes files for the main thread, as redis' bio does.
// build: -pthread
// expect: ok: background work done
#include <pthread.h>

#include "check.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int jobs[64], added, taken;

static void* background(void* unused) {
  sigset_t all;
  sigfillset(&all);
  CHECK(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
  pthread_mutex_lock(&lock);
  for (;;) {
    while (added == taken) pthread_cond_wait(&changed, &lock);
    int fd = jobs[taken % 64];
    pthread_mutex_unlock(&lock);
    if (fd == -1) return unused;
    CHECK(fsync(fd) == 0 && close(fd) == 0);
    pthread_mutex_lock(&lock);
    taken++;
    pthread_cond_broadcast(&changed);
  }
}

static void submit(int fd) {
  pthread_mutex_lock(&lock);
  jobs[added++ % 64] = fd;
  pthread_cond_broadcast(&changed);
  while (fd == -1 ? 0 : added - taken > 4) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
}

int main(void) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, background, NULL) == 0);
  for (int i = 0; i < 20; i++) {
    int fd = open("aof", O_WRONLY | O_CREAT | O_APPEND, 0644);
    CHECK(fd >= 3 && fd < 16 && dprintf(fd, "%d;", i) > 0);
    submit(fd);
  }
  submit(-1);
  CHECK(pthread_join(thread, NULL) == 0 && taken == 20);
  CHECK(file_is("aof", "0;1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18;19;"));
  puts("ok: background work done");
}
