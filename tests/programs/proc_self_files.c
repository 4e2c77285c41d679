// /proc/self: exe, cmdline, comm, environ, status and statm tell about this program.
// args: first second
// expect: ok: /proc/self
#include "check.h"

static ssize_t get(const char* path, char* text, size_t size) {
  int fd = open(path, O_RDONLY);
  ssize_t got = read(fd, text, size - 1);
  CHECK(got >= 0 && close(fd) == 0);
  text[got] = 0;
  return got;
}

int main(int argc, char** argv) {
  static char text[8192], link[4096];
  CHECK(argc == 3 && readlink("/proc/self/exe", link, sizeof link - 1) > 0);
  CHECK(strcmp(strrchr(link, '/'), "/proc_self_files") == 0);
  struct stat a, b;
  CHECK(stat("/proc/self/exe", &a) == 0 && stat(argv[0], &b) == 0 && a.st_ino == b.st_ino);
  ssize_t size = get("/proc/self/cmdline", text, sizeof text);
  CHECK(strcmp(text, argv[0]) == 0 && memcmp(text + size - 13, "first\0second", 13) == 0);
  CHECK(get("/proc/self/comm", text, sizeof text) == 16 && strcmp(text, "proc_self_files\n") == 0);
  get("/proc/self/environ", text, sizeof text);
  CHECK(memmem(text, sizeof text, "PATH=", 5) != NULL);
  get("/proc/self/status", text, sizeof text);
  char wanted[64];
  snprintf(wanted, sizeof wanted, "\nPid:\t%d\nPPid:\t%d\n", getpid(), getppid());
  CHECK(strstr(text, wanted) != NULL && strstr(text, "Threads:\t1\n") != NULL);
  CHECK(get("/proc/self/statm", text, sizeof text) > 0 && atoi(text) > 0);
  CHECK(chdir("/") == 0 && readlink("/proc/self/cwd", text, 9) == 1 && text[0] == '/');
  puts("ok: /proc/self");
}
