#include "shim/agent/copied_fds.h"

#include "shim/agent/fds.h"
#include "shim/agent/memory.h"

namespace mx::agent {

namespace {

constexpr int kGetfd = 1, kGetfl = 3;
constexpr uint64_t kCreating = 0100 | 0200 | 01000;  // O_CREAT, O_EXCL, O_TRUNC
constexpr uint64_t kCloexec = 02000000;

void path_of(int fd, char (&path)[40]) {
  char digits[12];
  int n = 0;
  for (int rest = fd; n == 0 || rest; rest /= 10) digits[n++] = static_cast<char>('0' + rest % 10);
  copy_string(path, "/proc/self/fd/", sizeof path);
  char* end = path + string_length(path, sizeof path);
  while (n) *end++ = digits[--n];
  *end = 0;
}

void open_anew(int fd) {
  long offset = sys(__NR_lseek, fd, 0, 1), flags = sys(__NR_fcntl, fd, kGetfl, 0),
       own = sys(__NR_fcntl, fd, kGetfd, 0);
  if (is_error(offset) || is_error(flags) || is_error(own) || (flags & 3) != 0 /*O_RDONLY*/) return;
  char path[40];
  path_of(fd, path);
  long copy = sys(__NR_open, path, static_cast<uint64_t>(flags) & ~kCreating, 0);
  if (is_error(copy)) return;
  sys(__NR_lseek, copy, offset, 0);
  sys(__NR_dup3, copy, fd, (own & 1) ? kCloexec : 0);
  sys(__NR_close, copy);
}

}  // namespace

bool has_private_files(Thread* t) {
  for (int fd = 0; fd <= t->proc->max_fd; fd++)
    if (fd_private(t, fd) && !fd_reserved(fd)) return true;
  return false;
}

void own_descriptors(Thread* t) {
  const bool led = t->role != Role::kFollower;
  int begin = 0;  // of a gap between descriptors that stay
  auto close_up_to = [&](uint32_t end) {
    if (led && static_cast<uint32_t>(begin) <= end) sys(__NR_close_range, begin, end, 0);
  };
  auto reserved = static_cast<int>(control()->settings.reserved_fd);
  int top = t->proc->max_fd > reserved ? t->proc->max_fd : reserved;
  for (int fd = 0; fd <= top; fd++) {
    bool stays = fd == reserved || fd_private(t, fd);
    if (!stays) continue;
    if (fd > begin) close_up_to(static_cast<uint32_t>(fd - 1));
    begin = fd + 1;
    if (fd != reserved) open_anew(fd);
  }
  close_up_to(~0u);
}

}  // namespace mx::agent
