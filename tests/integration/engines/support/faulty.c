/* Answers each line of standard input with how many there were. With BROKEN a line that says "boom"
 * is its end. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int lines;

__attribute__((noinline)) static int measure(const char* line) {
  const char* end = strchr(line, '\n');
#ifdef BROKEN
  if (strncmp(line, "boom", 4) == 0) end = *(const char* const volatile*)0;
#endif
  return end ? (int)(end - line) : -1;
}

__attribute__((noinline)) static void answer(const char* line) {
  char text[64];
  const int length = measure(line);
  const int size = snprintf(text, sizeof text, "line %d, %d letters\n", ++lines, length);
  if (write(1, text, (size_t)size) < 0) _exit(3);
}

int main(void) {
  char line[64];
  if (write(1, "ready\n", 6) < 0) return 3;
  for (;;) {
    const ssize_t n = read(0, line, sizeof line - 1);
    if (n <= 0) return 5;
    line[n] = 0;
    answer(line);
  }
}
