// getpid, gettid, /proc/self, /proc/self/stat and a child's getppid name the same process.
// expect: ok: one pid
#include "check.h"

int main(void) {
  char text[512] = "", path[64];
  pid_t pid = getpid();
  CHECK(gettid() == pid && getpgid(0) == getpgrp() && getppid() > 0);
  ssize_t size = readlink("/proc/self", text, sizeof text);
  CHECK(size > 0 && atoi(text) == pid);
  int fd = open("/proc/self/stat", O_RDONLY);
  CHECK(read(fd, text, sizeof text - 1) > 0 && atoi(text) == pid);
  snprintf(path, sizeof path, "/proc/%d/comm", pid);
  int other = open(path, O_RDONLY);
  CHECK(read(other, text, sizeof text) > 0 && memcmp(text, "pid_is_consiste", 15) == 0);
  pid_t child = fork();
  if (child == 0) {
    CHECK(getppid() == pid && getpid() != pid && gettid() == getpid());
    CHECK(readlink("/proc/self", text, sizeof text) > 0 && atoi(text) == getpid());
    pid_t copy = getpid();
    int out = open("pid", O_WRONLY | O_CREAT, 0644);
    CHECK(write(out, &copy, sizeof copy) == sizeof copy);
    _exit(0);
  }
  CHECK(wait_for(child) == 0);
  pid_t written;
  fd = open("pid", O_RDONLY);
  read_all(fd, &written, sizeof written);
  CHECK(written == child && unlink("pid") == 0);
  puts("ok: one pid");
}
