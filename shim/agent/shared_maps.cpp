#include "shim/agent/shared_maps.h"

#include "shim/agent/checkpoint.h"
#include "shim/agent/failover.h"
#include "shim/agent/mapped_files.h"
#include "shim/agent/one_at_a_time.h"
#include "shim/agent/segments.h"

namespace mx::agent {

SharedMap shared_maps[kMostSharedMaps];

namespace {

constexpr uint64_t kWrite = 2;

std::atomic<uint32_t> used{0};  // entries; what most programs never have
std::atomic<uint32_t> busy{0};

uint64_t whole_pages(uint64_t length) {
  return (length + stream::kPage - 1) & ~(stream::kPage - 1);
}

bool add(const SharedMap& added) {
  for (SharedMap& m : shared_maps) {
    if (m.length) continue;
    m = added;
    used.fetch_add(1);
    return true;
  }
  return false;
}

// A part of it as an entry of its own.
bool add_part(const SharedMap& of, uint64_t begin, uint64_t address, uint64_t length) {
  SharedMap part = of;
  part.offset += begin - of.address;
  part.address = address;
  part.length = length;
  if (of.fd >= 0) {
    const long fd = sys(__NR_fcntl, of.fd, kDupfdCloexec, kHighFd);
    if (is_error(fd)) return false;
    part.fd = static_cast<int>(fd);
  }
  if (add(part)) return true;
  if (part.fd >= 0) sys(__NR_close, part.fd);
  return false;
}

// Without [begin, end).
bool cut(SharedMap& m, uint64_t begin, uint64_t end) {
  const uint64_t m_end = m.address + whole_pages(m.length);
  const bool all = end >= m_end || add_part(m, end, end, m_end - end);
  if (begin > m.address) {
    m.length = begin - m.address;
  } else {
    if (m.fd >= 0) sys(__NR_close, m.fd);
    m.length = 0;
    used.fetch_sub(1);
  }
  return all;
}

bool overlaps(const SharedMap& m, uint64_t begin, uint64_t end) {
  return m.length && m.address + whole_pages(m.length) > begin && m.address < end;
}

bool any_overlaps(uint64_t begin, uint64_t end) {
  for (const SharedMap& m : shared_maps)
    if (overlaps(m, begin, end)) return true;
  return false;
}

bool cut_all(uint64_t begin, uint64_t end) {
  bool all = true;
  for (SharedMap& m : shared_maps)
    if (overlaps(m, begin, end)) all &= cut(m, begin, end);
  return all;
}

bool move(uint64_t old, uint64_t old_size, uint64_t now, uint64_t size, bool stays) {
  const OneAtATime one(busy);
  for (SharedMap& m : shared_maps) {
    if (!m.length || m.address > old || m.address + whole_pages(m.length) <= old) continue;
    const SharedMap whole = m;
    SharedMap kept = whole;  // cut() may close its descriptor
    if (whole.fd >= 0)
      kept.fd = static_cast<int>(sys(__NR_fcntl, whole.fd, kDupfdCloexec, kHighFd));
    bool all = stays || cut(m, old, old + whole_pages(old_size));
    all &= (whole.fd < 0 || kept.fd >= 0) && add_part(kept, old, now, size);
    if (whole.fd >= 0 && kept.fd >= 0) sys(__NR_close, kept.fd);
    return all;
  }
  return true;
}

// More pieces than are known: a follower could not put the files in their place, a copy of a leader
// no shadows.
void lose_track(Thread* t) {
  if (t->role == Role::kFollower)
    leave_as_follower(t, "it maps files in more pieces than are known");
  forbid_checkpoints(t);
}

}  // namespace

bool maps_files() { return used.load() != 0; }

bool is_mapped_now(const FileId& file) {
  if (!maps_files()) return false;
  for (const SharedMap& m : shared_maps)
    if (m.length && m.file == file) return true;
  return false;
}

bool add_shared_map(const SharedMap& added) {
  const OneAtATime one(busy);
  return add(added);
}

void forget_mapping(Thread* t, uint64_t address, uint64_t length) {
  if (has_segments()) forget_segments(address, length);
  if (!maps_files()) return;
  bool all;
  {
    const OneAtATime one(busy);
    if (!any_overlaps(address, address + whole_pages(length))) return;
    all = cut_all(address, address + whole_pages(length));
  }
  retract_unmapped(t);
  if (!all) lose_track(t);
}

void note_protection(uint64_t address, uint64_t length, uint64_t prot) {
  if (!maps_files()) return;
  for (SharedMap& m : shared_maps)
    if (m.length && m.address < address + length && address < m.address + m.length)
      m.prot |= prot & kWrite;
}

long run_munmap(Call& c) {
  forget_mapping(c.t, c.args[0], c.args[1]);
  return run_local(c);
}

long run_mremap(Call& c) {
  constexpr uint64_t kFixed = 2, kDontUnmap = 4;
  const uint64_t old = c.args[0], old_size = c.args[1], size = c.args[2], flags = c.args[3];
  if (flags & kFixed) forget_mapping(c.t, c.args[4], size);  // what was there is gone
  const long now = run_local(c);
  const bool stays = (flags & kDontUnmap) || !old_size;
  if (!is_error(now) && maps_files() &&
      !move(old, old_size, static_cast<uint64_t>(now), size, stays))
    lose_track(c.t);
  return now;
}

}  // namespace mx::agent
