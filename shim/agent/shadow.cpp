#include "shim/agent/shadow.h"

#include "shim/agent/borrowed.h"
#include "shim/agent/failover.h"
#include "shim/agent/flight.h"
#include "shim/agent/mapped_files.h"
#include "shim/agent/memory.h"

namespace mx::agent {

Shadow shadows[kMostShadows];
int shadow_count;

Shadow* find_shadow(const FileId& file) {
  for (int i = 0; i < shadow_count; i++)
    if (shadows[i].file == file) return &shadows[i];
  return nullptr;
}

namespace {

constexpr uint64_t kFixed = 0x10, kShared = 1, kCloexec = 1, kWrite = 2;

// Leader: what has been mapped so. A file stays here when it is mapped no more.
constexpr int kMostMapped = 64;
FileId mapped[kMostMapped];
int mapped_count;

// What an event says of a write to such a file.
struct Written {
  FileId file;
  uint64_t offset;
};
static_assert(sizeof(Written) <= sizeof(Call::scratch));

bool is_mapped(const FileId& file) {
  for (int i = 0; i < mapped_count; i++)
    if (mapped[i] == file) return true;
  return false;
}

// Where there is no room, instead of one that is mapped no more.
void add_mapped(const FileId& file) {
  if (is_mapped(file)) return;
  if (mapped_count < kMostMapped) {
    mapped[mapped_count++] = file;
    return;
  }
  for (FileId& known : mapped) {
    if (is_mapped_now(known)) continue;
    known = file;
    return;
  }
}

// Leader: whether what the descriptor is of has been mapped.
bool is_of_mapped(uint64_t fd, FileId& file) {
  FileInfo info;
  if (!mapped_count || !look_at(static_cast<int>(fd), info)) return false;
  file = info.id();
  return is_mapped(file);
}

// Where nothing is yet: the rest this version has copied before, and maybe written to.
void copy_where_empty(int from, int to, uint64_t begin, uint64_t end) {
  constexpr uint64_t kData = 3, kHole = 4;  // SEEK_DATA, SEEK_HOLE
  while (begin < end) {
    const long data = sys(__NR_lseek, to, begin, kData);
    const bool none = is_error(data) || static_cast<uint64_t>(data) > end;
    const uint64_t empty = none ? end : static_cast<uint64_t>(data);
    copy_range(from, to, begin, empty);
    if (empty == end) return;
    begin = static_cast<uint64_t>(sys(__NR_lseek, to, empty, kHole));
  }
}

// Another process of this version may have it.
Shadow* new_shadow(const Thread* t, const FileInfo& file, bool& fresh) {
  const long known = fetch_shadow(t, file.id());
  fresh = is_error(known);
  return fresh ? add_shadow(file.id(), static_cast<uint64_t>(file.size))
               : keep_shadow(file.id(), known);
}

Shadow* shadow_of(int fd, uint64_t offset, uint64_t length) {
  FileInfo info;
  if (!look_at(fd, info)) return nullptr;
  Shadow* s = find_shadow(info.id());
  const auto size = static_cast<uint64_t>(info.size);
  bool fresh = false;
  if (!s) {
    const BorrowsNumber borrows(this_thread());
    s = new_shadow(this_thread(), info, fresh);
    if (!s) return nullptr;
  }
  const uint64_t end = offset + length < size ? offset + length : size;
  if (size > kWholeFile)
    copy_where_empty(fd, s->memfd, offset, end);
  else if (fresh)
    copy_range(fd, s->memfd, 0, size);
  return s;
}

bool has_own_place(long nr) {
  return nr == __NR_pwrite64 || nr == __NR_pwritev || nr == __NR_pwritev2;
}

// Where a call that has written `n` bytes has begun to.
uint64_t place_of(const Call& c, int64_t n) {
  const bool own =
      has_own_place(c.nr) && !(c.nr == __NR_pwritev2 && static_cast<int64_t>(c.args[3]) == -1);
  if (own) return c.args[3];
  const long now = sys(__NR_lseek, c.args[0], 0, 1 /*SEEK_CUR*/);
  return now < n ? 0 : static_cast<uint64_t>(now - n);
}

}  // namespace

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

long new_shadow_memfd(uint64_t size) {
  const long memfd = move_high(sys(__NR_memfd_create, "mx-shadow", kCloexec));
  if (is_error(memfd)) return memfd;
  const long sized = sys(__NR_ftruncate, memfd, size);
  if (!is_error(sized)) return memfd;
  sys(__NR_close, memfd);
  return sized;
}

Shadow* add_shadow(const FileId& file, uint64_t size) {
  if (shadow_count == kMostShadows) return nullptr;
  const long memfd = new_shadow_memfd(size);
  return is_error(memfd) ? nullptr : keep_shadow(file, memfd);
}

Shadow* keep_shadow(const FileId& file, long memfd) {
  if (shadow_count < kMostShadows) {
    shadows[shadow_count] = {file, static_cast<int>(memfd)};
    return &shadows[shadow_count++];
  }
  sys(__NR_close, memfd);
  return nullptr;
}

void drop_unused_shadows() {
  for (int i = shadow_count; i-- > 0;) {
    if (is_mapped_now(shadows[i].file)) continue;
    sys(__NR_close, shadows[i].memfd);
    shadows[i] = shadows[--shadow_count];
  }
}

bool has_shadow(int fd) {
  FileInfo info;
  return look_at(fd, info) && find_shadow(info.id());
}

long map_shadow(Call& c, int fd) {
  Shadow* s = shadow_of(fd, c.args[5], c.args[1]);
  if (!s) return kEnomem;
  long at = raw6(__NR_mmap, c.args[0], c.args[1], c.args[2], kShared | (c.args[3] & kFixed),
                 s->memfd, c.args[5]);
  if (is_error(at)) return at;
  const long kept = sys(__NR_fcntl, fd, kDupfdCloexec, kHighFd);
  if (!add_shared_map({static_cast<uint64_t>(at), c.args[1], c.args[2], c.args[5], s->file,
                       static_cast<int>(kept)}))
    leave_as_follower(c.t, "it maps more files than are known");
  announce_mapped(c.t, s->file, s->memfd);
  return at;
}

bool note_mapped(const Call& c, int fd, long at) {
  FileInfo info;
  if (!look_at(fd, info)) return false;
  add_mapped(info.id());
  if (is_error(at)) return true;
  const SharedMap m{static_cast<uint64_t>(at), c.args[1], c.args[2], c.args[5], info.id(), -1};
  if (!info.is_regular() || !add_shared_map(m)) return false;
  announce_mapped(c.t, info.id(), -1);
  return true;
}

namespace {

// What this version has written into the shadow goes into the file; else that has what calls have
// written, maybe one more.
void write_back(const SharedMap& m) {
  FileInfo info;
  if (!(m.prot & kWrite) || !look_at(m.fd, info) || info.size <= static_cast<int64_t>(m.offset))
    return;
  uint64_t size = static_cast<uint64_t>(info.size) - m.offset;
  if (size > m.length) size = m.length;
  for (uint64_t done = 0; done < size;) {
    const long n = sys(__NR_pwrite64, m.fd, m.address + done, size - done, m.offset + done);
    if (n <= 0) return;
    done += n;
  }
}

}  // namespace

void remap_shared(Thread* t) {
  for (SharedMap& m : shared_maps) {
    if (!m.length || m.fd < 0) continue;
    if (writes_back(t, m.file)) write_back(m);
    raw6(__NR_mmap, m.address, m.length, m.prot, kShared | kFixed, m.fd, m.offset);
    sys(__NR_close, m.fd);
    m.fd = -1;
  }
  for (int i = 0; i < shadow_count; i++) {
    sys(__NR_close, shadows[i].memfd);
    add_mapped(shadows[i].file);
  }
  shadow_count = 0;
  announce_all_mapped(t);
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
    case __NR_ftruncate:
      sys(__NR_ftruncate, fd, c.args[1]);
      break;
    case __NR_fallocate:
      sys(__NR_fallocate, fd, c.args[1], c.args[2], c.args[3]);
      break;
    case __NR_write:
    case __NR_pwrite64:
      sys(__NR_pwrite64, fd, c.args[1], c.ret, offset);
      break;
    default:
      sys(__NR_pwritev, fd, c.args[1], c.args[2], offset, 0);
  }
}
}  // namespace

void write_to_shadow(Call& c) {
  if (c.ret < 0) return;
  if (c.t->role != Role::kFollower) {  // the killed leader's kernel had done it before the shadow
                                       // went into the file
    FileId file;
    if (is_of_mapped(c.args[0], file)) repeat(c, c.args[0], place_of(c, c.ret));
    return;
  }
  if (!c.consumed || !c.blob_size) return;
  const auto& to = *reinterpret_cast<const Written*>(c.scratch);
  if (const Shadow* s = find_shadow(to.file)) repeat(c, s->memfd, to.offset);
}

}  // namespace mx::agent
