// Threads log by syslog(3) and draw numbers by rand(3): libc's own locks, with system calls inside.
// build: -pthread
// expect: ok: logged by threads
#include <pthread.h>
#include <stdarg.h>
#include <syslog.h>

#include "check.h"

enum { kThreads = 4, kLines = 100 };

static void log_list(int priority, const char* format, ...) {
  va_list list;
  va_start(list, format);
  vsyslog(priority, format, list);
  va_end(list);
}

static void* run(void* argument) {
  int thread = (int)(long)argument;
  for (int i = 0; i < kLines; i++) {
    if (rand() % 3)
      syslog(LOG_INFO, "%d %d %d %s %d %.2f %ld %d", thread, i, 1, "two", 3, 4.25, 5L, 6);
    else
      log_list(LOG_INFO, "%d %d 1 two %d %.2f 5 %s", thread, i, 3, 4.25, "6");
  }
  return NULL;
}

int main(void) {
  FILE* lines = tmpfile();
  CHECK(lines && dup2(fileno(lines), 2) == 2);
  openlog("mx", LOG_PERROR, LOG_USER);
  pthread_t threads[kThreads];
  srand(7);
  for (long i = 0; i < kThreads; i++) CHECK(pthread_create(&threads[i], NULL, run, (void*)i) == 0);
  for (int i = 0; i < kThreads; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  closelog();
  rewind(lines);
  int next[kThreads] = {0}, thread, number, end;
  char line[200];
  for (int i = 0; i < kThreads * kLines; i++) {
    CHECK(fgets(line, sizeof line, lines));
    CHECK(sscanf(line, "mx: %d %d 1 two 3 4.25 5 6%n", &thread, &number, &end) == 2 &&
          line[end] == '\n');
    CHECK(thread >= 0 && thread < kThreads && number == next[thread]++);
  }
  puts("ok: logged by threads");
}
