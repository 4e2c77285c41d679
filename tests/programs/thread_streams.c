// Four threads print lines to one stream, whose lock decides on their order.
// build: -pthread
// expect: ok: 1200 whole lines
#include <pthread.h>

#include "check.h"

enum { kThreads = 4, kRounds = 100 };
static FILE* log_file;

static void* work(void* number) {
  char line[32];
  for (int i = 0; i < kRounds; i++) {
    CHECK(fprintf(log_file, "%ld: %s %d\n", (long)number, "round", i) > 0);
    int size = snprintf(line, sizeof line, "%ld: written %d\n", (long)number, i);
    CHECK(fwrite(line, 1, size, log_file) == (size_t)size);
    flockfile(log_file);
    CHECK(fputs("two parts, ", log_file) >= 0 && fputs("one line\n", log_file) >= 0);
    funlockfile(log_file);
    if (i % 10 == 0) CHECK(fflush(log_file) == 0);
  }
  return number;
}

static int whole(const char* line) {
  int thread, round;
  return sscanf(line, "%d: round %d\n", &thread, &round) == 2 ||
         sscanf(line, "%d: written %d\n", &thread, &round) == 2 ||
         strcmp(line, "two parts, one line\n") == 0;
}

int main(void) {
  pthread_t threads[kThreads];
  char line[64];
  int lines = 0;
  CHECK((log_file = fopen("log", "w+")) != NULL);
  for (long i = 0; i < kThreads; i++) CHECK(pthread_create(&threads[i], NULL, work, (void*)i) == 0);
  for (int i = 0; i < kThreads; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  rewind(log_file);
  for (; fgets(line, sizeof line, log_file); lines++) CHECK(whole(line));
  CHECK(fclose(log_file) == 0 && unlink("log") == 0);
  printf("ok: %d whole lines\n", lines);
}
