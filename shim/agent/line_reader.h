// Files of /proc, line by line.
#pragma once
#include "shim/agent/flight.h"
#include "shim/agent/memory.h"

namespace mx::agent {

// Reads a file in pieces, line by line, without memory of its own beyond the stack.
struct LineReader {
  int fd;
  char buffer[1024];
  size_t begin = 0, end = 0;

  // The next line, NUL-terminated, at most as long as the buffer; null at the end.
  char* next() {
    for (;;) {
      for (size_t i = begin; i < end; i++) {
        if (buffer[i] != '\n') continue;
        buffer[i] = 0;
        char* line = buffer + begin;
        begin = i + 1;
        return line;
      }
      if (begin) memmove(buffer, buffer + begin, end - begin);
      end -= begin;
      begin = 0;
      if (end == sizeof buffer) end = 0;  // an overlong line: its rest is no line of ours
      long n = sys(__NR_read, fd, buffer + end, sizeof buffer - end);
      count_own(this_thread(), __NR_read, n);
      if (n <= 0) return nullptr;
      end += n;
    }
  }
};

/// The number at s, which goes on behind it.
inline uint64_t number(const char*& s, int base) {
  uint64_t n = 0;
  for (;; s++) {
    int digit = *s >= '0' && *s <= '9' ? *s - '0' : *s >= 'a' && *s <= 'f' ? *s - 'a' + 10 : 99;
    if (digit >= base) return n;
    n = n * base + digit;
  }
}

}  // namespace mx::agent
