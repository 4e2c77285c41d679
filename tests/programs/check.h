// What every small program may use: CHECK, a watchdog, and a few one-line helpers.
//
// A program prints only what is the same in every run: no pids, addresses, times. It verifies
// facts inside with CHECK and prints "ok: ..." at the end. A failed CHECK names the place on
// standard error and ends the process with status 99. An alarm ends a program that hangs.
#ifndef MX_TESTS_PROGRAMS_CHECK_H_
#define MX_TESTS_PROGRAMS_CHECK_H_

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Ends the process unless `condition` holds.
#define CHECK(condition)                                            \
  do {                                                              \
    if (!(condition)) check_failed(__FILE__, __LINE__, #condition); \
  } while (0)

// Ends the process unless `call` returns -1 with errno == `error`.
#define CHECK_FAILS(call, error)                                                   \
  do {                                                                             \
    errno = 0;                                                                     \
    if ((call) != -1 || errno != (error)) check_failed(__FILE__, __LINE__, #call); \
  } while (0)

static inline void check_failed(const char* file, int line, const char* what) {
  dprintf(2, "%s:%d: failed: %s (errno %d: %s)\n", file, line, what, errno, strerror(errno));
  _exit(99);
}

// Kills a program that hangs. A forked child has no alarm of its own; the driver ends it.
__attribute__((constructor)) static void start_watchdog(void) { alarm(15); }

// Installs `handler` for `signal` with sigaction flags `flags` and an empty mask.
static inline void on_signal(int signal, void (*handler)(int), int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = flags;
  CHECK(sigaction(signal, &action, NULL) == 0);
}

// Blocks (SIG_BLOCK) or unblocks (SIG_UNBLOCK) one signal.
static inline void mask_signal(int how, int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  CHECK(sigprocmask(how, &set, NULL) == 0);
}

// Waits for the child `pid`; returns its exit status, or 128+n if signal n ended it.
static inline int wait_for(pid_t pid) {
  int status;
  pid_t got;
  do got = waitpid(pid, &status, 0);
  while (got == -1 && errno == EINTR);
  CHECK(got == pid);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Creates or replaces the file `path` (mode 0644) with the bytes of `text`.
static inline void put_file(const char* path, const char* text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  CHECK(fd >= 0);
  CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
  CHECK(close(fd) == 0);
}

// True if the file `path` holds exactly the bytes of `text` (at most 4,095 bytes).
static inline bool file_is(const char* path, const char* text) {
  char buffer[4096];
  int fd = open(path, O_RDONLY);
  CHECK(fd >= 0);
  ssize_t size = read(fd, buffer, sizeof buffer);
  CHECK(size >= 0 && close(fd) == 0);
  return (size_t)size == strlen(text) && memcmp(buffer, text, (size_t)size) == 0;
}

// Writes or reads exactly `size` bytes.
static inline void write_all(int fd, const void* data, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t n = write(fd, (const char*)data + done, size - done);
    CHECK(n > 0 || (n == -1 && errno == EINTR));
    if (n > 0) done += (size_t)n;
  }
}
static inline void read_all(int fd, void* data, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t n = read(fd, (char*)data + done, size - done);
    CHECK(n > 0 || (n == -1 && errno == EINTR));
    if (n > 0) done += (size_t)n;
  }
}

#endif  // MX_TESTS_PROGRAMS_CHECK_H_
