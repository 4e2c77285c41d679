#include "shim/agent/copied_fds.h"

#include "shim/agent/copied_memory.h"
#include "shim/agent/fds.h"
#include "shim/agent/memory.h"
#include "shim/agent/shadow.h"

namespace mx::agent {

namespace {

constexpr int kGetfd = 1, kGetfl = 3;
constexpr uint64_t kCreating = 0100 | 0200 | 01000;  // O_CREAT, O_EXCL, O_TRUNC
constexpr uint64_t kCloexec = 02000000;
constexpr uint64_t kUnshare = 2;  // CLOSE_RANGE_UNSHARE
constexpr int kMostFiles = 512;

struct File {
  OpenAs as;
  bool memory;
};
File files[kMostFiles];  // of a copy, until they are open again
int file_count;

// Notes a file of this version, while the descriptor is
// still there. What was opened for writing is memory.
void note_file(Thread* t, int fd) {
  OpenAs as;
  if (file_count == kMostFiles || !describe(fd, as)) return;
  const bool memory = fd_bits(t, fd) & kFdMemory;
  if (is_error(as.offset) || ((as.flags & 3) != 0 && !memory)) return;
  files[file_count++] = {as, memory};
}

// (The source's own description: whatever is read from it, the original's offset stays.)
bool open_memory_anew(const char* path, const OpenAs& f) {
  const long high =
      move_high(sys(__NR_open, path, kCloexec, 0));  // it must not stand where it is to go
  if (is_error(high)) return false;
  const bool placed =
      place_memory(static_cast<int>(high), {f.fd, static_cast<int>(f.cloexec), f.offset});
  sys(__NR_close, high);
  return placed;
}

bool open_copy(int32_t pid, const File& f) {
  char path[48];
  path_of_number(pid, f.as.fd, path);
  return f.memory ? open_memory_anew(path, f.as) : open_anew(path, f.as);
}

}  // namespace

bool describe(int fd, OpenAs& as) {
  const long flags = sys(__NR_fcntl, fd, kGetfl, 0), own = sys(__NR_fcntl, fd, kGetfd, 0);
  if (is_error(flags) || is_error(own)) return false;
  as = {fd, static_cast<uint32_t>(own & 1), static_cast<uint64_t>(flags),
        sys(__NR_lseek, fd, 0, 1)};
  return true;
}

bool open_anew(const char* path, const OpenAs& f) {
  long copy = sys(__NR_open, path, (f.flags & ~kCreating) | kCloexec, 0);
  if (is_error(copy)) return false;
  if (!is_error(f.offset)) sys(__NR_lseek, copy, f.offset, 0);
  if (copy == f.fd) {
    if (!f.cloexec) sys(__NR_fcntl, copy, 2 /*F_SETFD*/, 0);
    return true;
  }
  long placed = sys(__NR_dup3, copy, f.fd, f.cloexec ? kCloexec : 0);
  sys(__NR_close, copy);
  return placed == f.fd;
}

void path_of_number(int32_t pid, int fd, char (&path)[48]) {
  copy_string(path, "/proc/", sizeof path);
  const size_t end =
      append_number(path, string_length(path, sizeof path), static_cast<uint64_t>(pid));
  copy_string(path + end, "/fd/", 8);
  append_number(path, end + 4, static_cast<uint64_t>(fd));
}

bool has_private_files(Thread* t) {
  for (int fd = 0; fd <= t->proc->max_fd; fd++)
    if (fd_private(t, fd) && !fd_reserved(fd)) return true;
  return false;
}

// A table of its own for the copy of a leader, with nothing in it but the arena's descriptor. Newer
// kernels (6.12, and stable ones) leave out what shall be closed; others copy it for a moment.
static bool leave_table() {
  const uint64_t mine = control()->settings.reserved_fd;
  return sys(__NR_close_range, 0, mine - 1, kUnshare) == 0 &&
         sys(__NR_close_range, mine + 1, ~0u, 0) == 0;
}

bool own_descriptors(Thread* t, int32_t original) {
  const bool led = t->role != Role::kFollower;
  file_count = 0;
  for (int fd = 0; fd <= t->proc->max_fd; fd++)
    if (fd_private(t, fd) && !fd_reserved(fd)) note_file(t, fd);
  if (led && !leave_table()) return false;
  for (int i = 0; i < file_count; i++)
    if (!open_copy(original, files[i])) return false;
  return true;
}

}  // namespace mx::agent
