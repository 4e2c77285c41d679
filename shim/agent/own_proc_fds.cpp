#include "shim/agent/own_proc_fds.h"

#include "shim/agent/fds.h"
#include "shim/agent/kernel.h"
#include "shim/agent/memory.h"

namespace mx::agent {

namespace {

constexpr int kGetfd = 1, kGetfl = 3;
constexpr uint64_t kCloexec = 02000000;
constexpr size_t kMost = 256;

// "/proc/FORMER/…" as "/proc/self/…". A thread's are left: its number says nothing here.
bool own_name(int fd, int32_t former, char (&path)[kMost]) {
  constexpr char kDeleted[] = " (deleted)";
  constexpr size_t kSuffix = sizeof kDeleted - 1;
  char link[32] = "/proc/self/fd/", target[kMost], begin[32] = "/proc/";
  append_number(link, string_length(link, sizeof link), static_cast<uint64_t>(fd));
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

void reopen(int fd, const char* path) {
  const long flags = sys(__NR_fcntl, fd, kGetfl, 0), own = sys(__NR_fcntl, fd, kGetfd, 0),
             offset = sys(__NR_lseek, fd, 0, 1);
  if (is_error(flags) || is_error(own)) return;
  const long anew = sys(__NR_open, path, static_cast<uint64_t>(flags) | kCloexec, 0);
  if (is_error(anew)) return;
  if (!is_error(offset)) sys(__NR_lseek, anew, offset, 0);
  sys(__NR_dup3, anew, fd, (own & 1) ? kCloexec : 0);
  sys(__NR_close, anew);
}

}  // namespace

void reopen_own_proc(Thread* t, int32_t former) {
  char path[kMost];
  for (int fd = 0; fd <= t->proc->max_fd; fd++) {
    if (fd_reserved(fd) || fd_private(t, fd) || !fd_known_open(t, fd) || (fd_bits(t, fd) & kFdSocket)) continue;
    if (own_name(fd, former, path)) reopen(fd, path);
  }
}

}  // namespace mx::agent
