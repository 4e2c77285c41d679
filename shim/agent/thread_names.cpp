#include "shim/agent/thread_names.h"

#include "shim/agent/borrowed.h"
#include "shim/agent/memory.h"
#include "shim/agent/threads.h"

namespace mx::agent {

namespace {

constexpr uint64_t kReadOnly = 02000000;  // O_CLOEXEC
constexpr uint64_t kSetName = 15;         // of prctl
char names[kMaxThreads][16];              // by block

void read_name(int32_t pid, int32_t tid, char (&name)[16]) {
  char path[64];
  copy_string(path, "/proc/", sizeof path);
  size_t end = append_number(path, 6, static_cast<uint64_t>(pid));
  copy_string(path + end, "/task/", 8);
  end = append_number(path, end + 6, static_cast<uint64_t>(tid));
  copy_string(path + end, "/comm", 8);
  name[0] = 0;
  const BorrowsNumber borrows(this_thread());
  const long fd = sys(__NR_open, path, kReadOnly, 0);
  if (is_error(fd)) return;  // no /proc: the name of the thread that makes it
  const long n = sys(__NR_read, fd, name, sizeof name);
  sys(__NR_close, fd);
  name[n > 0 ? n - 1 : 0] = 0;  // instead of the end of the line
}

}  // namespace

void note_thread_names(Thread* t) {
  if (t->proc->threads.load(std::memory_order_relaxed) <= 1) return;
  each_thread(t->proc, [t](Thread& o) {
    if (&o != t) read_name(t->proc->real_pid, o.tid, names[o.block]);
  });
}

void take_thread_name(const Thread* t) {
  if (names[t->block][0]) sys(__NR_prctl, kSetName, names[t->block]);
}

}  // namespace mx::agent
