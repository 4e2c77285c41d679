#include "shim/agent/shadow.h"

#include "shim/agent/borrowed.h"
#include "shim/agent/failover.h"
#include "shim/agent/memory.h"

namespace mx::agent {

namespace {

constexpr uint64_t kFixed = 0x10, kShared = 1, kCloexec = 1;
constexpr int kHigh = 900;  // where the follower keeps descriptors of its own
constexpr uint64_t kWholeFile = 64 << 20;  // larger ones are copied where they are mapped

struct Shadow {
  uint64_t device, inode;
  int memfd;
  int number;  ///< the program's descriptor of the file; -1: closed
};
Shadow shadows[64];
int shadow_count;

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

Shadow* shadow_of(int fd, uint64_t offset, uint64_t length) {
  FileInfo info;
  if (is_error(sys(__NR_fstat, fd, &info))) return nullptr;
  Shadow* s = nullptr;
  for (int i = 0; i < shadow_count && !s; i++)
    if (shadows[i].device == info.device && shadows[i].inode == info.inode) s = &shadows[i];
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
    *s = {info.device, info.inode, static_cast<int>(memfd), -1};
    sys(__NR_ftruncate, memfd, size);
  }
  uint64_t end = offset + length < size ? offset + length : size;
  if (size > kWholeFile) copy_range(fd, s->memfd, offset, end);
  else if (fresh) copy_range(fd, s->memfd, 0, size);
  return s;
}

Shadow* by_number(int fd) {
  for (int i = 0; i < shadow_count; i++)
    if (shadows[i].number == fd) return &shadows[i];
  return nullptr;
}

}  // namespace

long map_shadow(Call& c, int fd) {
  Shadow* s = shadow_of(fd, c.args[5], c.args[1]);
  if (!s) return kEnomem;
  s->number = static_cast<int>(c.args[4]);
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

void forget_shadow_fd(int fd) {
  if (Shadow* s = shadow_count ? by_number(fd) : nullptr) s->number = -1;
}

void remap_shared(Thread*) {
  for (Mapping& m : mappings) {
    if (!m.length) continue;
    if (m.fd >= 0) {
      FileInfo info;
      bool known = !is_error(sys(__NR_fstat, m.fd, &info)) && info.size > static_cast<int64_t>(m.offset);
      uint64_t done = 0, size = known ? static_cast<uint64_t>(info.size) - m.offset : 0;
      if (size > m.length) size = m.length;
      while (done < size) {
        long n = sys(__NR_pwrite64, m.fd, m.address + done, size - done, m.offset + done);
        if (n <= 0) break;
        done += n;
      }
      raw6(__NR_mmap, m.address, m.length, m.prot, kShared | kFixed, m.fd, m.offset);
      sys(__NR_close, m.fd);
    }
    m.length = 0;
  }
  for (int i = 0; i < shadow_count; i++) sys(__NR_close, shadows[i].memfd);
  shadow_count = 0;
}

long run_munmap(Call& c) {
  if (c.t->role == Role::kFollower) forget_mapping(c.args[0], c.args[1]);
  return run_local(c);
}

void localise_shadowed(Call& c) {
  if (c.t->role != Role::kFollower || !c.consumed || c.ret < 0 || !shadow_count) return;
  Shadow* s = by_number(static_cast<int>(c.args[0]));
  if (!s) return;
  if (c.nr == __NR_ftruncate) sys(__NR_ftruncate, s->memfd, c.args[1]);
  else sys(__NR_pwrite64, s->memfd, c.args[1], c.ret, c.args[3]);
}

}  // namespace mx::agent
