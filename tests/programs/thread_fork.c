// fork in a process with threads: the child has only the forking thread; fork handlers run.
// build: -pthread
// expect: ok: one thread in the child
#include <dirent.h>
#include <pthread.h>

#include "check.h"

static volatile int prepared, parents, children;
static void prepare(void) { prepared++; }
static void parent(void) { parents++; }
static void child_side(void) { children++; }

static int count_threads(void) {
  int count = 0;
  DIR* dir = opendir("/proc/self/task");
  for (struct dirent* entry; (entry = readdir(dir));) count += entry->d_name[0] != '.';
  CHECK(closedir(dir) == 0);
  return count;
}

static void* wait_for_end(void* fd) {
  char c;
  CHECK(read((int)(intptr_t)fd, &c, 1) == 0);
  return NULL;
}

static void* run(void* unused) {
  pid_t child = fork();
  if (child == 0) {
    CHECK(children == 1 && parents == 0 && count_threads() == 1 && gettid() == getpid());
    put_file("from-child", "x");
    _exit(8);
  }
  CHECK(wait_for(child) == 8 && parents == 1 && children == 0 && prepared == 1);
  return unused;
}

int main(void) {
  pthread_t waiter, forker;
  int fds[2];
  CHECK(pipe(fds) == 0 && pthread_atfork(prepare, parent, child_side) == 0);
  CHECK(pthread_create(&waiter, NULL, wait_for_end, (void*)(intptr_t)fds[0]) == 0);
  CHECK(pthread_create(&forker, NULL, run, NULL) == 0 && pthread_join(forker, NULL) == 0);
  CHECK(close(fds[1]) == 0 && pthread_join(waiter, NULL) == 0);
  CHECK(file_is("from-child", "x"));
  puts("ok: one thread in the child");
}
