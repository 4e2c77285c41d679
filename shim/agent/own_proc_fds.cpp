#include "shim/agent/own_proc_fds.h"

#include "shim/agent/copied_fds.h"
#include "shim/agent/fds.h"
#include "shim/agent/kernel.h"
#include "shim/agent/memory.h"

namespace mx::agent {

namespace {

constexpr size_t kMost = 256;

// "/proc/FORMER/…" as "/proc/self/…". A thread's are left: its number says nothing here.
bool own_name(const Thread* t, int fd, int32_t former, char (&path)[kMost]) {
  constexpr char kDeleted[] = " (deleted)";
  constexpr size_t kSuffix = sizeof kDeleted - 1;
  char link[48], target[kMost], begin[32] = "/proc/";
  path_of_number(t->proc->real_pid, fd, link);
  const long n = sys(__NR_readlink, link, target, sizeof target - 1);
  if (n <= 0) return false;
  target[n] = 0;
  auto size = static_cast<size_t>(n);
  if (size > kSuffix && starts_with(target + size - kSuffix, kDeleted)) target[size -= kSuffix] = 0;
  const size_t prefix = append_number(begin, 6, static_cast<uint64_t>(former));
  if (!starts_with(target, begin) || (target[prefix] && target[prefix] != '/')) return false;
  if (starts_with(target + prefix, "/task/")) return false;
  copy_string(path, "/proc/self", sizeof path);
  copy_string(path + 10, target + prefix, sizeof path - 10);
  return true;
}

}  // namespace

void reopen_own_proc(Thread* t, int32_t former) {
  char path[kMost];
  OpenAs as;
  for (int fd = 0; fd <= t->proc->max_fd; fd++) {
    if (fd_reserved(fd) || fd_private(t, fd) || !fd_known_open(t, fd) ||
        (fd_bits(t, fd) & kFdSocket))
      continue;
    if (own_name(t, fd, former, path) && describe(fd, as)) open_anew(path, as);
  }
}

}  // namespace mx::agent
