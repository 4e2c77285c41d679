#include "shim/agent/named_file.h"

#include <cstddef>

#include "shim/agent/compared.h"
#include "shim/agent/failover.h"
#include "shim/agent/memory.h"
#include "shim/agent/pair.h"

namespace mx::agent {

namespace {

constexpr uint32_t kFixed = offsetof(NamedFile, path);
constexpr int kGetfl = 3;
constexpr uint64_t kAccessMode = 3, kOpenFlags = 02404000;  // O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK

// Device, inode and access mode.
bool look_at(int fd, NamedFile& to) {
  uint64_t st[18];
  const long flags = sys(__NR_fcntl, fd, kGetfl, 0);
  if (is_error(flags) || is_error(sys(__NR_fstat, fd, st))) return false;
  to.device = st[0];
  to.inode = st[1];
  to.access = flags & kAccessMode;
  return (st[3] & 0170000) == 0100000;
}

bool is_same(int fd, const NamedFile& file) {
  NamedFile found;
  return look_at(fd, found) && found.device == file.device && found.inode == file.inode &&
         found.access == file.access;
}

// Takes fd: closes it if it is another file.
long if_same(long fd, const NamedFile& file) {
  if (is_error(fd) || is_same(static_cast<int>(fd), file)) return fd;
  sys(__NR_close, fd);
  return kEbadf;
}

long open_on_leaders_root(Thread* t, const NamedFile& file) {
  Path path = {"/proc/"};
  size_t n = append_number(path.text, 6, static_cast<uint64_t>(twin_pid(t)));
  constexpr char kRoot[] = "/root";
  memcpy(path.text + n, kRoot, sizeof kRoot - 1);
  n += sizeof kRoot - 1;
  const size_t size = string_length(file.path.text, sizeof file.path.text);
  if (n + size >= sizeof path.text) return kEbadf;
  memcpy(path.text + n, file.path.text, size + 1);
  return sys(__NR_openat, -100, path.text, kOpenFlags | file.access);
}

}  // namespace

uint32_t name_file(int fd, NamedFile& to) {
  if (!look_at(fd, to)) return 0;
  const long n = path_of_descriptor(fd, to.path.text, sizeof to.path.text);
  if (n <= 0 || n == sizeof to.path.text - 1 || to.path.text[0] != '/') return 0;
  uint64_t named[18];  // (a file that has been removed or replaced has a name, too: proc(5))
  if (is_error(sys(__NR_newfstatat, -100, to.path.text, named, 0))) return 0;
  if (named[0] != to.device || named[1] != to.inode) return 0;
  return kFixed + static_cast<uint32_t>(n) + 1;
}

bool peek_named_file(Thread* t, const EventHeader& h, NamedFile& to) {
  Compared ignored;
  const uint32_t compared = peek_compared(t, sizeof h, h.nr, ignored);
  uint64_t size;
  if (!compared || compared + sizeof size > h.size) return false;
  lane_peek(t, sizeof h + compared, &size, sizeof size);
  if (size <= kFixed || size > sizeof to || compared + sizeof size + size > h.size) return false;
  lane_peek(t, sizeof h + compared + sizeof size, &to, size);
  reinterpret_cast<char*>(&to)[size - 1] = 0;
  return true;
}

long open_once_more(Thread* t, int fd, const NamedFile& file) {
  long own = if_same(fetch_descriptor(t, fd), file);
  if (is_error(own))
    own = if_same(sys(__NR_openat, -100, file.path.text, kOpenFlags | file.access), file);
  if (is_error(own)) own = if_same(open_on_leaders_root(t, file), file);
  return own;
}

}  // namespace mx::agent
