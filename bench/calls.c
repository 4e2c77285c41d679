/* What one system call costs, in nanoseconds: prints "NAME NS" lines. Argument: rounds of each
 * loop. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long rounds;
static int zero, null, pipes[2];
static char buffer[16384];
static long (*made_call)(void);

static void do_getppid(void) { getppid(); }
static void do_trapped_getppid(void) { made_call(); }
static void do_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
}
static void do_read_1(void) {
  if (read(zero, buffer, 1) != 1) exit(1);
}
static void do_read_16k(void) {
  if (read(zero, buffer, sizeof buffer) != sizeof buffer) exit(1);
}
static void do_write_1(void) {
  if (write(null, buffer, 1) != 1) exit(1);
}
static void do_write_16k(void) {
  if (write(null, buffer, sizeof buffer) != sizeof buffer) exit(1);
}
static void do_pipe(void) {
  if (write(pipes[1], buffer, 64) != 64 || read(pipes[0], buffer, 64) != 64) exit(1);
}
static void do_open_close(void) {
  int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
  if (fd < 0) exit(1);
  close(fd);
}
static void do_fork(void) {
  pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, NULL, 0);
}

/* A getppid in code that is written at run time: no scan of the program's files can have found it.
 */
static void make_code(void) {
  static const unsigned char code[] = {0xb8, SYS_getppid, 0,   0, 0,
                                       0x0f, 0x05,        0xc3}; /* mov eax, n; syscall; ret */
  void* page =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) exit(1);
  memcpy(page, code, sizeof code);
  made_call = (long (*)(void))page;
}

static void measure(const char* name, void (*call)(void), long times) {
  struct timespec start, end;
  for (long i = 0; i < times / 10 + 1; ++i) call();
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (long i = 0; i < times; ++i) call();
  clock_gettime(CLOCK_MONOTONIC, &end);
  double ns = (end.tv_sec - start.tv_sec) * 1e9 + (end.tv_nsec - start.tv_nsec);
  printf("%s %.1f\n", name, ns / times);
}

int main(int argc, char** argv) {
  rounds = argc > 1 ? atol(argv[1]) : 100000;
  zero = open("/dev/zero", O_RDONLY);
  null = open("/dev/null", O_WRONLY);
  if (zero < 0 || null < 0 || pipe(pipes)) return 1;
  make_code();
  measure("getppid", do_getppid, rounds);
  measure("getppid-trapped", do_trapped_getppid, rounds);
  measure("clock_gettime", do_clock, rounds);
  measure("read-1", do_read_1, rounds);
  measure("read-16k", do_read_16k, rounds / 4);
  measure("write-1", do_write_1, rounds);
  measure("write-16k", do_write_16k, rounds / 4);
  measure("pipe-64", do_pipe, rounds / 2);
  measure("open+close", do_open_close, rounds / 4);
  measure("fork+wait", do_fork, rounds / 500);
  return 0;
}
