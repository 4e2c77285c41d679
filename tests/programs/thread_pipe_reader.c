// One thread writes lines into a pipe, another reads them and writes a file.
// build: -pthread
// expect: ok: 200 lines passed
#include <pthread.h>

#include "check.h"

static int fds[2];

static void* write_lines(void* unused) {
  for (int i = 0; i < 200; i++) CHECK(dprintf(fds[1], "line %03d\n", i) == 9);
  CHECK(close(fds[1]) == 0);
  return unused;
}

static void* copy_lines(void* unused) {
  char buffer[256];
  int out = open("lines", O_WRONLY | O_CREAT, 0644);
  for (ssize_t n; (n = read(fds[0], buffer, sizeof buffer)) > 0;) write_all(out, buffer, (size_t)n);
  CHECK(close(out) == 0);
  return unused;
}

int main(void) {
  pthread_t writer, reader;
  CHECK(pipe(fds) == 0);
  CHECK(pthread_create(&reader, NULL, copy_lines, NULL) == 0);
  CHECK(pthread_create(&writer, NULL, write_lines, NULL) == 0);
  CHECK(pthread_join(writer, NULL) == 0 && pthread_join(reader, NULL) == 0);
  struct stat info;
  CHECK(stat("lines", &info) == 0 && info.st_size == 1800);
  puts("ok: 200 lines passed");
}
