/* A program whose hunger for memory its own root names (/etc/hunger, MiB). Answers each line of
   standard input: "eat" takes that much, "fork" makes a child that waits, anything else says what
   /etc/version says. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void answer(const char* text) {
  if (write(1, text, strlen(text)) < 0) _exit(3);
}

static void read_text(const char* path, char* text, size_t size) {
  int fd = open(path, O_RDONLY);
  ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);
  text[n > 0 ? n : 0] = 0;
  close(fd);
}

static void eat(void) {
  char text[32];
  read_text("/etc/hunger", text, sizeof text);
  size_t size = (size_t)atoi(text) << 20;
  char* food = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (food == MAP_FAILED) return answer("refused\n");
  for (size_t at = 0; at < size; at += 4096) food[at] = 1;
  answer("ate\n");
}

int main(void) {
  char line[64], version[32];
  answer("ready\n");
  for (;;) {
    ssize_t n = read(0, line, sizeof line - 1);
    if (n <= 0) return 5;
    line[n] = 0;
    if (strncmp(line, "eat", 3) == 0) {
      eat();
    } else if (strncmp(line, "fork", 4) == 0) {
      pid_t child = fork();
      if (child == 0)
        for (;;) pause();
      answer(child > 0 ? "forked\n" : "refused\n");
    } else {
      read_text("/etc/version", version, sizeof version);
      answer(version);
    }
  }
}
