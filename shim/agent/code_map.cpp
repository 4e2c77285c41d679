#include "shim/agent/code_map.h"

#include "shim/agent/borrowed.h"
#include "shim/agent/lane.h"
#include "shim/agent/maps_line.h"
#include "shim/agent/memory.h"
#include "shim/agent/paths.h"
#include "shim/agent/report.h"

namespace mx::agent {

namespace {

CodeRegion regions[kMaxRegions];
int region_count;

CodeRegion* known(uint64_t address) {
  for (int i = 0; i < region_count; i++)
    if (address >= regions[i].begin && address < regions[i].end) return &regions[i];
  return nullptr;
}

bool ours(const CodeRegion& r) {
  return r.begin >= stream::kAgentBase && r.begin < stream::kRangeEnd;
}

bool contains(const char* text, const char* part) {
  for (; *text; text++)
    if (starts_with(text, part)) return true;
  return false;
}

constexpr const char* kRandomLibraries[] = {"/libcrypto", "/libstdc++"};

bool is_random_library(const char* path) {
  for (const char* name : kRandomLibraries)
    if (contains(path, name)) return true;
  return false;
}

CodeKind kind_of(const char* path) {
  for (const char* name : {"/libjemalloc", "/libtcmalloc", "/libmimalloc"})
    if (contains(path, name)) return CodeKind::kAllocator;
  for (const char* name : {"/python3", "/libpython3"})
    if (contains(path, name)) return CodeKind::kPython;
  return CodeKind::kOther;
}

template <typename F>
void read_maps(F&& f) {
  const BorrowsNumber borrows(this_thread());
  long fd = sys(__NR_openat, -100, "/proc/self/maps", 02000000);
  if (is_error(fd)) return;
  LineReader reader{static_cast<int>(fd), {}};
  while (char* line = reader.next()) {
    MapsLine m;
    if (!parse(line, m) || m.perms[2] != 'x') continue;
    const CodeRegion r{m.begin, m.end, m.offset, m.device, m.inode, -1, kind_of(line)};
    if (!ours(r)) f(r);
  }
  sys(__NR_close, fd);
}

struct Range {
  uint64_t begin, end;
  CodeKind kind;
};
constexpr int kMaxSpecial = 8;
Range special[kMaxSpecial];
int special_count;

void note_special(const CodeRegion& r) {
  for (int i = 0; i < special_count; i++)
    if (special[i].begin == r.begin) return;
  if (special_count < kMaxSpecial) special[special_count++] = {r.begin, r.end, r.kind};
}

CodeRegion* remember(const CodeRegion& r) {
  if (r.kind != CodeKind::kOther) note_special(r);
  if (CodeRegion* k = known(r.begin)) return k;
  if (region_count == kMaxRegions) return nullptr;
  regions[region_count] = r;
  return &regions[region_count++];
}

int32_t entry_of(const CodeRegion& r, bool& fresh) {
  Control* c = control();
  for (uint32_t i = 0; i < stream::kMaxSiteTables; i++) {
    stream::SiteEntry& e = c->sites[i];
    uint32_t state = e.state.load(std::memory_order_acquire);
    if (state != 0 && state != 4 && e.device == r.device && e.inode == r.inode) return i;
    if (state != 0) continue;
    if (!e.state.compare_exchange_strong(state, 4)) continue;  // 4: being filled in
    e.device = r.device;
    e.inode = r.inode;
    e.state.store(1, std::memory_order_release);
    fresh = true;
    return i;
  }
  return -1;
}

}  // namespace

bool is_random_library(int fd) {
  char name[256];
  return path_of_descriptor(fd, name, sizeof name) > 0 && is_random_library(name);
}

CodeKind code_kind(uint64_t address) {
  for (int i = 0; i < special_count; i++)
    if (address >= special[i].begin && address < special[i].end) return special[i].kind;
  return CodeKind::kOther;
}

CodeRegion* find_region(Thread*, uint64_t address) {
  if (CodeRegion* r = known(address)) return r;
  CodeRegion found{};
  read_maps([&](const CodeRegion& r) {
    if (address >= r.begin && address < r.end) found = r;
  });
  return found.end ? remember(found) : nullptr;
}

void forget_regions(uint64_t begin, uint64_t end) {
  for (int i = 0; i < region_count;) {
    if (regions[i].begin < end && begin < regions[i].end) {
      regions[i] = regions[--region_count];
    } else {
      i++;
    }
  }
}

void each_region(Thread* t, void (*f)(Thread*, CodeRegion&)) {
  read_maps([&](const CodeRegion& r) {
    if (!r.inode) return;
    if (CodeRegion* k = remember(r)) f(t, *k);
  });
}

const sites::SiteTable* site_table(Thread* t, CodeRegion& region, int wait_ms) {
  if (!region.inode) return nullptr;
  bool fresh = false;
  if (region.entry < 0) region.entry = entry_of(region, fresh);
  if (region.entry < 0) return nullptr;
  stream::SiteEntry& e = control()->sites[region.entry];
  if (fresh) {
    Message* m = new_message(t, MessageKind::kSites);
    if (!m) {
      e.state.store(3);
      return nullptr;
    }
    m->number[0] = region.entry;
    m->number[1] = static_cast<int64_t>(region.begin);
    send(m);
  }
  for (int waited = 0; e.state.load(std::memory_order_acquire) == 1 && waited < wait_ms;
       waited += 10)
    futex_wait(&e.state, 1, 10);
  if (e.state.load(std::memory_order_acquire) != 2) return nullptr;
  if (e.offset > stream::kSitesSize || e.size > stream::kSitesSize - e.offset) return nullptr;
  auto* table = reinterpret_cast<const sites::SiteTable*>(stream::kArenaBase +
                                                          stream::kSitesOffset + e.offset);
  return sites::plausible(table, e.size) ? table : nullptr;
}

}  // namespace mx::agent
