#include "shim/agent/shadow.h"

#include "shim/agent/borrowed.h"
#include "shim/agent/failover.h"
#include "shim/agent/flight.h"
#include "shim/agent/memory.h"

namespace mx::agent {

namespace {

constexpr uint64_t kFixed = 0x10, kShared = 1, kCloexec = 1, kWrite = 2;
constexpr int kHigh = 900;  // where the follower keeps descriptors of its own
constexpr uint64_t kWholeFile = 64 << 20;  // larger ones are copied where they are mapped

struct FileId {
  uint64_t device, inode;
  bool operator==(const FileId& o) const { return device == o.device && inode == o.inode; }
};

struct Shadow {
  FileId file;
  int memfd;
};
Shadow shadows[64];
int shadow_count;

// Leader: what has been mapped so. A file stays here when it is mapped no more.
FileId mapped[64];
int mapped_count;

// What an event says of a write to such a file.
struct Written {
  FileId file;
  uint64_t offset;
};
static_assert(sizeof(Written) <= sizeof(Call::scratch));

struct Mapping {
  uint64_t address, length, prot, offset;
  int fd;  ///< this version's own descriptor of the real file
};
Mapping mappings[64];

void copy_range(int from, int to, uint64_t begin, uint64_t end) {
  while (begin < end) {
    uint64_t at = begin;
    long n = sys(__NR_copy_file_range, from, &begin, to, &at, end - begin, 0);
    if (n > 0) continue;
    sys(__NR_lseek, to, begin, 0);
    n = sys(__NR_sendfile, to, from, &begin, end - begin);
    if (n <= 0) return;
  }
}

struct FileInfo {
  uint64_t device, inode, links;
  uint32_t mode, uid, gid, pad;
  uint64_t rdev;
  int64_t size;
  uint64_t rest[11];
};
static_assert(sizeof(FileInfo) == 144);

Shadow* find_shadow(const FileId& file) {
  for (int i = 0; i < shadow_count; i++)
    if (shadows[i].file == file) return &shadows[i];
  return nullptr;
}

bool is_mapped(const FileId& file) {
  for (int i = 0; i < mapped_count; i++)
    if (mapped[i] == file) return true;
  return false;
}

void add_mapped(const FileId& file) {
  if (mapped_count < 64 && !is_mapped(file)) mapped[mapped_count++] = file;
}

// Leader: whether what the descriptor is of has been mapped.
bool is_of_mapped(uint64_t fd, FileId& file) {
  FileInfo info;
  if (!mapped_count || is_error(sys(__NR_fstat, fd, &info))) return false;
  file = {info.device, info.inode};
  return is_mapped(file);
}

Shadow* shadow_of(int fd, uint64_t offset, uint64_t length) {
  FileInfo info;
  if (is_error(sys(__NR_fstat, fd, &info))) return nullptr;
  Shadow* s = find_shadow({info.device, info.inode});
  auto size = static_cast<uint64_t>(info.size);
  bool fresh = !s;
  if (fresh) {
    if (shadow_count == 64) return nullptr;
    const BorrowsNumber borrows(this_thread());
    long made = sys(__NR_memfd_create, "mx-shadow", kCloexec);
    if (is_error(made)) return nullptr;
    long memfd = sys(__NR_fcntl, made, kDupfdCloexec, kHigh);
    sys(__NR_close, made);
    if (is_error(memfd)) return nullptr;
    s = &shadows[shadow_count++];
    *s = {{info.device, info.inode}, static_cast<int>(memfd)};
    sys(__NR_ftruncate, memfd, size);
  }
  uint64_t end = offset + length < size ? offset + length : size;
  if (size > kWholeFile) copy_range(fd, s->memfd, offset, end);
  else if (fresh) copy_range(fd, s->memfd, 0, size);
  return s;
}

bool has_own_place(long nr) {
  return nr == __NR_pwrite64 || nr == __NR_pwritev || nr == __NR_pwritev2;
}

// Where a call that has written `n` bytes has begun to.
uint64_t place_of(const Call& c, int64_t n) {
  const bool own = has_own_place(c.nr) && !(c.nr == __NR_pwritev2 && static_cast<int64_t>(c.args[3]) == -1);
  if (own) return c.args[3];
  const long now = sys(__NR_lseek, c.args[0], 0, 1 /*SEEK_CUR*/);
  return now < n ? 0 : static_cast<uint64_t>(now - n);
}

}  // namespace

long map_shadow(Call& c, int fd) {
  Shadow* s = shadow_of(fd, c.args[5], c.args[1]);
  if (!s) return kEnomem;
  long at = raw6(__NR_mmap, c.args[0], c.args[1], c.args[2], kShared | (c.args[3] & kFixed), s->memfd, c.args[5]);
  if (is_error(at)) return at;
  forget_mapping(static_cast<uint64_t>(at), c.args[1]);
  for (Mapping& m : mappings) {
    if (m.length) continue;
    long kept = sys(__NR_fcntl, fd, kDupfdCloexec, kHigh);
    m = {static_cast<uint64_t>(at), c.args[1], c.args[2], c.args[5], static_cast<int>(kept)};
    break;
  }
  return at;
}

// A mapping that loses a part keeps its larger rest.
void forget_mapping(uint64_t address, uint64_t length) {
  uint64_t end = address + ((length + stream::kPage - 1) & ~(stream::kPage - 1));
  for (Mapping& m : mappings) {
    uint64_t m_end = m.address + m.length;
    if (!m.length || m_end <= address || m.address >= end) continue;
    uint64_t before = address > m.address ? address - m.address : 0, after = m_end > end ? m_end - end : 0;
    if (before >= after && before) {
      m.length = before;
    } else if (after) {
      m.offset += end - m.address;
      m.address = end;
      m.length = after;
    } else {
      if (m.fd >= 0) sys(__NR_close, m.fd);
      m.length = 0;
    }
  }
}

void note_protection(uint64_t address, uint64_t length, uint64_t prot) {
  for (Mapping& m : mappings)
    if (m.length && m.address < address + length && address < m.address + m.length) m.prot |= prot & kWrite;
}

void note_mapped(int fd) {
  FileInfo info;
  if (!is_error(sys(__NR_fstat, fd, &info))) add_mapped({info.device, info.inode});
}

void remap_shared(Thread*) {
  for (Mapping& m : mappings) {
    if (!m.length) continue;
    if (m.fd >= 0) {
      FileInfo info;
      const bool may_differ = m.prot & kWrite;  // else the file has what calls have written, maybe one more
      bool known = !is_error(sys(__NR_fstat, m.fd, &info)) && info.size > static_cast<int64_t>(m.offset);
      uint64_t done = 0, size = known ? static_cast<uint64_t>(info.size) - m.offset : 0;
      if (size > m.length) size = m.length;
      while (may_differ && done < size) {
        long n = sys(__NR_pwrite64, m.fd, m.address + done, size - done, m.offset + done);
        if (n <= 0) break;
        done += n;
      }
      raw6(__NR_mmap, m.address, m.length, m.prot, kShared | kFixed, m.fd, m.offset);
      sys(__NR_close, m.fd);
    }
    m.length = 0;
  }
  for (int i = 0; i < shadow_count; i++) {
    sys(__NR_close, shadows[i].memfd);
    add_mapped(shadows[i].file);
  }
  shadow_count = 0;
}

long run_munmap(Call& c) {
  if (c.t->role == Role::kFollower) forget_mapping(c.args[0], c.args[1]);
  return run_local(c);
}

void measure_file_write(Call& c) {
  if (!(c.t->role == Role::kFollower ? shadow_count : mapped_count)) return;
  for (uint64_t& word : c.scratch) word = 0;
  c.blob = reinterpret_cast<uint64_t>(c.scratch);
  c.blob_size = sizeof(Written);
}

long perform_file_write(Call& c) {
  const long ret = execute_by_role(c);
  if (!c.blob_size) return ret;
  FileId file;
  if (ret >= 0 && is_of_mapped(c.args[0], file))
    *reinterpret_cast<Written*>(c.scratch) = {file, place_of(c, ret)};
  else
    c.blob_size = 0;
  return ret;
}

namespace {
void repeat(const Call& c, uint64_t fd, uint64_t offset) {
  switch (c.nr) {
    case __NR_ftruncate: sys(__NR_ftruncate, fd, c.args[1]); break;
    case __NR_fallocate: sys(__NR_fallocate, fd, c.args[1], c.args[2], c.args[3]); break;
    case __NR_write: case __NR_pwrite64: sys(__NR_pwrite64, fd, c.args[1], c.ret, offset); break;
    default: sys(__NR_pwritev, fd, c.args[1], c.args[2], offset, 0);
  }
}
}  // namespace

void write_to_shadow(Call& c) {
  if (c.ret < 0) return;
  if (c.t->role != Role::kFollower) {  // the killed leader's kernel had done it before the shadow went into the file
    FileId file;
    if (is_of_mapped(c.args[0], file)) repeat(c, c.args[0], place_of(c, c.ret));
    return;
  }
  if (!c.consumed || !c.blob_size) return;
  const auto& to = *reinterpret_cast<const Written*>(c.scratch);
  if (const Shadow* s = find_shadow(to.file)) repeat(c, s->memfd, to.offset);
}

}  // namespace mx::agent
