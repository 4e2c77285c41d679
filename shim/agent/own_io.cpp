#include "shim/agent/own_io.h"

#include "shim/agent/kernel.h"
#include "shim/stream/flight.h"

namespace mx::agent {

namespace {

// The number in the line that begins with `key` ("rchar: ", at the start of the text or of a line).
bool number_after(const char* text, long size, const char* key, uint64_t& value) {
  for (long at = 0; at < size; at++) {
    if (at && text[at - 1] != '\n') continue;
    long k = 0;
    while (key[k] && at + k < size && text[at + k] == key[k]) k++;
    if (key[k]) continue;
    value = 0;
    for (long d = at + k; d < size && text[d] >= '0' && text[d] <= '9'; d++)
      value = value * 10 + (text[d] - '0');
    return true;
  }
  return false;
}

}  // namespace

bool read_own_io(uint64_t (&io)[2]) {
  long fd = sys(__NR_open, "/proc/self/io", 02000000 /*O_CLOEXEC*/, 0);
  if (is_error(fd)) return false;
  char text[512];
  long n = sys(__NR_read, fd, text, sizeof text);
  sys(__NR_close, fd);
  if (n <= 0 || !number_after(text, n, "rchar: ", io[stream::kRead])) return false;
  io[stream::kRead] += n;  // of this read itself
  return number_after(text, n, "wchar: ", io[stream::kWritten]);
}

}  // namespace mx::agent
