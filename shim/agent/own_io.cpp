#include "shim/agent/own_io.h"

#include "shim/agent/flight.h"
#include "shim/agent/memory.h"

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

// Returns how many bytes it has read; 0: none.
long read_counts(const char* path, uint64_t (&io)[2]) {
  const long fd = sys(__NR_open, path, 02000000 /*O_CLOEXEC*/, 0);
  if (is_error(fd)) return 0;
  char text[512];
  const long n = sys(__NR_read, fd, text, sizeof text);
  sys(__NR_close, fd);
  const bool good = n > 0 && number_after(text, n, "rchar: ", io[stream::kRead]) &&
                    number_after(text, n, "wchar: ", io[stream::kWritten]);
  return good ? n : 0;
}

}  // namespace

bool read_own_io(uint64_t (&io)[2]) {
  const long n = read_counts("/proc/self/io", io);
  if (n > 0) io[stream::kRead] += n;  // of this read itself
  return n > 0;
}

void note_first_io(Thread* t) {
  Process* p = t->proc->shared;
  const uint32_t lane = p->lane[static_cast<int>(t->proc->version)];
  if (lane >= stream::kMaxLanes) return;
  char path[48] = "/proc/self/task/";
  const size_t end = append_number(path, string_length(path, sizeof path),
                                   static_cast<uint64_t>(t->proc->real_pid));
  copy_string(path + end, "/io", 4);
  uint64_t io[2];
  const long n = read_counts(path, io);
  if (n <= 0) return;
  count_own(t, __NR_read, n);
  if (t->tid == t->proc->real_pid) io[stream::kRead] += n;
  for (int k : {stream::kRead, stream::kWritten})
    p->first_io[k].store(io[k] - control()->lanes[lane].io[k]);
  p->first_io_known.store(1);
}

}  // namespace mx::agent
