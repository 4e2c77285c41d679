// What this process has mapped of files that the program maps shared and may write to: in a leader
// the files themselves, in a follower their shadows (shadow.h). Known in both, so that a copy of
// the process can have its own (copied_maps.h), and a survivor the files. Any thread of the
// process.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

struct FileId {
  uint64_t device, inode;
  bool operator==(const FileId& o) const { return device == o.device && inode == o.inode; }
};

/// struct stat, as fstat(2) gives it.
struct FileInfo {
  uint64_t device, inode, links;
  uint32_t mode, uid, gid, pad;
  uint64_t rdev;
  int64_t size;
  uint64_t rest[11];
  FileId id() const { return {device, inode}; }
  bool is_regular() const { return (mode & 0170000) == 0100000; }
};
static_assert(sizeof(FileInfo) == 144);

inline bool look_at(int fd, FileInfo& to) { return !is_error(sys(__NR_fstat, fd, &to)); }

struct SharedMap {
  uint64_t address, length, prot, offset;  ///< length 0: a free entry
  FileId file;                             ///< the real one
  int fd;  ///< follower: this version's own descriptor of the real file; -1: none
};
inline constexpr int kHighFd = 900;  ///< from where on mx keeps descriptors of a process's own
/// The same descriptor there, with FD_CLOEXEC; closes
/// `fd`. An error (also one that `fd` is) is passed on.
inline long move_high(long fd) {
  if (is_error(fd)) return fd;
  const long high = sys(__NR_fcntl, fd, kDupfdCloexec, kHighFd);
  sys(__NR_close, fd);
  return high;
}
/// A descriptor of what has that path, if it is that file; or an error.
inline long open_if(const char* path, const FileId& file, uint64_t flags) {
  const long fd = sys(__NR_openat, -100, path, flags);
  FileInfo info;
  if (is_error(fd) || (look_at(static_cast<int>(fd), info) && info.id() == file)) return fd;
  sys(__NR_close, fd);
  return kEbadf;
}
inline constexpr int kMostSharedMaps = 128;
extern SharedMap shared_maps[kMostSharedMaps];

/// Whether there are any.
bool maps_files();
bool is_mapped_now(const FileId& file);
/// False: there is no room.
bool add_shared_map(const SharedMap& m);
/// [address, address + length) is not mapped any more.
void forget_mapping(Thread* t, uint64_t address, uint64_t length);
/// The program has changed what it may do with [address, address + length).
void note_protection(uint64_t address, uint64_t length, uint64_t prot);

/// mremap(2), munmap(2): each version's own.
long run_mremap(Call& c);
long run_munmap(Call& c);

}  // namespace mx::agent
