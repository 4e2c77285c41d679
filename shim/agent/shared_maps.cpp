#include "shim/agent/shared_maps.h"

#include "shim/agent/align.h"
#include "shim/agent/one_at_a_time.h"

namespace mx::agent {

SharedMap shared_maps[kMostSharedMaps];

namespace {

constexpr uint64_t kWrite = 2;

std::atomic<uint32_t> used{0};  // entries; what most programs never have
std::atomic<uint32_t> busy{0};

uint64_t whole_pages(uint64_t length) {
  return (length + stream::kPage - 1) & ~(stream::kPage - 1);
}

void let_go(SharedMap& m) {
  if (m.fd >= 0) sys(__NR_close, m.fd);
  m.length = 0;
  used.fetch_sub(1);
}

void cut(SharedMap& m, uint64_t address, uint64_t end) {
  const uint64_t m_end = m.address + whole_pages(m.length);
  const uint64_t before = address > m.address ? address - m.address : 0,
                 after = m_end > end ? m_end - end : 0;
  if (before >= after && before) {
    m.length = before;
  } else if (after) {
    m.offset += end - m.address;
    m.address = end;
    m.length = after;
  } else {
    let_go(m);
  }
}

// The mapping has moved, or has another size. One that was split by it is two: the larger rest
// stays where it was.
void move_mapping(uint64_t old, uint64_t old_size, uint64_t now, uint64_t size) {
  const OneAtATime one(busy);
  for (SharedMap& m : shared_maps) {
    if (!m.length || m.address > old || m.address + whole_pages(m.length) <= old) continue;
    if (m.address != old || whole_pages(m.length) != whole_pages(old_size)) continue;
    m.address = now;
    m.length = size;
    return;
  }
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
  for (SharedMap& m : shared_maps) {
    if (m.length) continue;
    m = added;
    used.fetch_add(1);
    return true;
  }
  return false;
}

void forget_mapping(uint64_t address, uint64_t length) {
  if (!maps_files()) return;
  const OneAtATime one(busy);
  const uint64_t end = address + whole_pages(length);
  for (SharedMap& m : shared_maps)
    if (m.length && m.address + whole_pages(m.length) > address && m.address < end)
      cut(m, address, end);
}

void note_protection(uint64_t address, uint64_t length, uint64_t prot) {
  if (!maps_files()) return;
  for (SharedMap& m : shared_maps)
    if (m.length && m.address < address + length && address < m.address + m.length)
      m.prot |= prot & kWrite;
}

long run_munmap(Call& c) {
  forget_mapping(c.args[0], c.args[1]);
  return run_local(c);
}

long run_mremap(Call& c) {
  constexpr uint64_t kFixed = 2;  // MREMAP_FIXED: what was there is gone
  if (c.args[3] & kFixed) forget_mapping(c.args[4], c.args[2]);
  const long now = run_local(c);
  if (!is_error(now) && maps_files())
    move_mapping(c.args[0], c.args[1], static_cast<uint64_t>(now), c.args[2]);
  return now;
}

}  // namespace mx::agent
