// The same bytes are read again and again, by a process, its thread and its child, while one byte of them changes now and then.
// expect: ok: read again
// build: -pthread
#include <pthread.h>
#include <sys/wait.h>

#include "check.h"

// More than mx keeps, and some that are too large or too small for that.
enum { kFiles = 24, kMost = 40000 };
static const size_t sizes[] = {511, 512, 513, 4096, 10240, 32768, 32769, kMost};

static int fds[kFiles], changes[kFiles];
static size_t size_of(int file) { return sizes[file % 8]; }
static char byte_at(int file, size_t i, int change) {
  return (char)(i * 7 + i / 256 + (size_t)file * 31 + (i == 300 ? (size_t)change : 0));
}

static void check_file(int fd, int file, int change) {
  static __thread char text[kMost + 1];
  memset(text, 0, sizeof text);
  CHECK(pread(fd, text, sizeof text, 0) == (ssize_t)size_of(file));
  for (size_t i = 0; i < size_of(file); i++) CHECK(text[i] == byte_at(file, i, change));
  CHECK(lseek(fd, 0, SEEK_SET) == 0 &&
        read(fd, text, 600) == (size_of(file) < 600 ? (ssize_t)size_of(file) : 600));
  CHECK(text[300] == byte_at(file, 300, change));
}

static void* check_all(void* rounds) {
  for (long round = 0; round < (long)rounds; round++)
    for (int file = 0; file < kFiles; file++) check_file(fds[file], file, changes[file]);
  return NULL;
}

int main(void) {
  static char text[kMost];
  for (int file = 0; file < kFiles; file++) {
    snprintf(text, sizeof text, "file%d", file);
    CHECK((fds[file] = open(text, O_RDWR | O_CREAT, 0644)) >= 0);
    for (size_t i = 0; i < size_of(file); i++) text[i] = byte_at(file, i, 0);
    CHECK(write(fds[file], text, size_of(file)) == (ssize_t)size_of(file));
  }
  for (int round = 1; round <= 4; round++) {
    for (int again = 0; again < 4; again++) check_file(fds[4], 4, changes[4]);
    check_all((void*)3L);
    changes[4] = changes[5] = round;
    for (int file = 4; file <= 5; file++) {
      CHECK(pwrite(fds[file], (char[]){byte_at(file, 300, round)}, 1, 300) == 1);
    }
  }
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, check_all, (void*)3L) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  int status;
  pid_t child = fork();
  if (child == 0) _exit(check_all((void*)3L) == NULL ? 7 : 0);
  CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
  check_all((void*)2L);
  puts("ok: read again");
}
