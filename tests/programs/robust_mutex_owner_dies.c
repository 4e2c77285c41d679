// A robust mutex tells the next owner that the last one died, between threads and processes.
// build: -pthread
// expect: ok: owner died
#include <pthread.h>
#include <sys/mman.h>

#include "check.h"

static pthread_mutex_t* lock;

static void* die_holding(void* unused) {
  CHECK(pthread_mutex_lock(lock) == 0);
  return unused;
}

int main(void) {
  lock = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_t attributes;
  CHECK(pthread_mutexattr_init(&attributes) == 0);
  CHECK(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0);
  CHECK(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0);
  CHECK(pthread_mutex_init(lock, &attributes) == 0);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, die_holding, NULL) == 0 && pthread_join(thread, NULL) == 0);
  CHECK(pthread_mutex_lock(lock) == EOWNERDEAD && pthread_mutex_consistent(lock) == 0);
  CHECK(pthread_mutex_unlock(lock) == 0);
  pid_t child = fork();
  if (child == 0) {
    die_holding(NULL);
    raise(SIGKILL);
  }
  CHECK(wait_for(child) == 137);
  CHECK(pthread_mutex_lock(lock) == EOWNERDEAD && pthread_mutex_consistent(lock) == 0);
  CHECK(pthread_mutex_unlock(lock) == 0 && pthread_mutex_lock(lock) == 0);
  puts("ok: owner died");
}
