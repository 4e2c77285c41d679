#include "shim/agent/patch.h"

#include "shim/agent/code_map.h"
#include "shim/agent/locks.h"
#include "shim/agent/memory.h"
#include "shim/agent/shared_locks.h"

extern "C" {
void mx_entry();
void mx_counter_entry();
}

namespace mx::agent {

using sites::Site;
using sites::SiteTable;

namespace {

constexpr uint64_t kEntrySize = 21;
constexpr uint64_t kReach = 0x7ff00000;
constexpr uint64_t kAreaSize = 64 * 1024;
constexpr int kMaxAreas = 64;
constexpr int kMaxPatched = 4096;
constexpr int kRwx = 7, kRx = 5;

struct Patched {
  uint64_t start;                        // first byte of the region
  uint64_t trampoline;                   // copy of the part before
  uint32_t size;                         // of the trampoline
  uint8_t len, syscall_at, instruction;  // bytes: see sites::Site
};
Patched patched[kMaxPatched];
int patched_count;

struct Area {
  uint64_t begin, used;
};
Area areas[kMaxAreas];
int area_count;

bool near(uint64_t a, uint64_t b) { return (a > b ? a - b : b - a) < kReach; }

// A new area at `hint` or, if something is mapped there, nothing.
bool map_area(uint64_t hint) {
  constexpr uint64_t kLowest = 0x10000, kUserEnd = 0x7ffffffff000;
  if (hint < kLowest || hint > kUserEnd - kAreaSize) return false;
  long at = sys(__NR_mmap, hint, kAreaSize, kRwx, 0x100022, -1, 0);  // FIXED_NOREPLACE
  if (at == static_cast<long>(hint)) {
    areas[area_count++] = {hint, 0};
    return true;
  }
  if (!is_error(at)) sys(__NR_munmap, at, kAreaSize);
  return false;
}

// Below the code first, near it: above it the heap (brk) and the stack want to grow. Above it as
// far away as a jump reaches.
bool new_area(uint64_t site) {
  constexpr uint64_t kStep = 4 << 20, kSteps = kReach / kStep - 1;
  if (area_count == kMaxAreas) return false;
  for (uint64_t k = 1; k < kSteps && site > k * kStep; k++)
    if (map_area((site - k * kStep) & ~uint64_t{0xffff})) return true;
  for (uint64_t k = kSteps; k > 0; k--)
    if (map_area((site + k * kStep) & ~uint64_t{0xffff})) return true;
  return false;
}

}  // namespace

uint64_t trampoline_room(uint64_t site, uint64_t size) {
  for (bool again = true;; again = false) {
    for (int i = 0; i < area_count; i++) {
      Area& a = areas[i];
      if (!near(a.begin, site) || kAreaSize - a.used < size) continue;
      uint64_t at = a.begin + a.used;
      a.used += (size + 15) & ~uint64_t{15};
      return at;
    }
    if (!again || !new_area(site)) return 0;
  }
}

namespace {

void put32(uint8_t* at, int64_t value) {
  auto v = static_cast<int32_t>(value);
  memcpy(at, &v, 4);
}

void write_jump(uint8_t* at, uint64_t to) {
  constexpr uint64_t kSize = 5;
  at[0] = 0xe9;
  put32(at + 1, static_cast<int64_t>(to - (reinterpret_cast<uint64_t>(at) + kSize)));
}

// Adds `shift` to the RIP-relative displacements of bytes [from, to) of the region.
bool fix_displacements(const Site& s, uint8_t* copy, uint8_t from, uint8_t to, int64_t shift) {
  for (uint8_t at : s.disp32_at) {
    if (at == 0 || at < from || at >= to) continue;
    int32_t old;
    memcpy(&old, copy + (at - from), 4);
    int64_t value = old + shift;
    if (value != static_cast<int32_t>(value)) return false;
    put32(copy + (at - from), value);
  }
  return true;
}

// The way into the agent: the register that the instruction overwrites says where to go on.
void write_door(uint8_t* code, bool is_counter) {
  static constexpr uint8_t kInRcx[13] = {0x48, 0x8d, 0x0d, 14, 0, 0, 0, 0xff, 0x25, 0, 0, 0, 0},
                           kInRdx = 0x15;
  memcpy(code, kInRcx, 13);
  if (is_counter) code[2] = kInRdx;
  auto door = reinterpret_cast<uint64_t>(is_counter ? &mx_counter_entry : &mx_entry);
  memcpy(code + 13, &door, 8);
}

bool is_syscall(const uint8_t* at) { return at[0] == 0x0f && at[1] == 0x05; }

// Writes the trampoline of the region at `start`. Returns its address, or 0.
uint64_t write_trampoline(const Site& s, uint64_t start) {
  uint8_t after = s.syscall_at + s.size;
  uint64_t size = s.len - s.size + kEntrySize + 5;
  uint64_t at = trampoline_room(start, size);
  if (!at) return 0;
  auto* code = reinterpret_cast<uint8_t*>(at);
  auto* from = reinterpret_cast<const uint8_t*>(start);
  memcpy(code, from, s.syscall_at);
  if (!fix_displacements(s, code, 0, s.syscall_at, static_cast<int64_t>(start - at))) return 0;
  code += s.syscall_at;
  write_door(code, !is_syscall(from + s.syscall_at));
  code += kEntrySize;
  memcpy(code, from + after, s.len - after);
  auto shift = static_cast<int64_t>(start + after - reinterpret_cast<uint64_t>(code));
  if (!fix_displacements(s, code, after, s.len, shift)) return 0;
  code += s.len - after;
  write_jump(code, start + s.len);
  return at;
}

const Patched* patch_of(uint64_t start) {
  for (int i = 0; i < patched_count; i++)
    if (patched[i].start == start) return &patched[i];
  return nullptr;
}

// REQUIRES: the region's pages are writable.
const Patched* rewrite(Thread* t, const Site& s, uint64_t start) {
  auto* code = reinterpret_cast<uint8_t*>(start);
  const uint8_t* at = code + s.syscall_at;
  const bool counter = at[0] == 0x0f && (s.size == 2 ? at[1] == 0x31 : at[1] == 1 && at[2] == 0xf9);
  const bool room = s.len >= 5 || (s.len == s.size && s.stone >= s.len);
  if (s.size < 2 || s.size > 3 || !room || !(counter || (s.size == 2 && is_syscall(at))))
    return nullptr;
  if (patched_count == kMaxPatched) return nullptr;
  uint64_t trampoline = write_trampoline(s, start);
  if (!trampoline) return nullptr;
  write_jump(code + s.stone, trampoline);
  if (s.stone) {
    code[0] = 0xeb;
    code[1] = s.stone - 2;
  }
  for (int i = s.stone ? 2 : 5; i < s.len; i++) code[i] = 0xcc;
  Patched& p = patched[patched_count++];
  p = {start, trampoline,   static_cast<uint32_t>(s.len - s.size + kEntrySize + 5),
       s.len, s.syscall_at, s.size};
  if (counter) return &p;
  t->proc->shared->rewritten[static_cast<int>(t->proc->version)].fetch_add(
      1, std::memory_order_relaxed);
  return &p;
}

uint64_t page_of(uint64_t a) { return a & ~(stream::kPage - 1); }

bool make_writable(uint64_t begin, uint64_t end) {
  return sys(__NR_mprotect, page_of(begin), page_of(end - 1) + stream::kPage - page_of(begin),
             kRwx) == 0;
}
void make_executable(uint64_t begin, uint64_t end) {
  sys(__NR_mprotect, page_of(begin), page_of(end - 1) + stream::kPage - page_of(begin), kRx);
}

const Site* find_site(const SiteTable& table, uint64_t file_offset) {
  const Site* sites = table.sites();
  uint32_t low = 0, high = table.count;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (sites[middle].file_offset + sites[middle].syscall_at < file_offset)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == table.count || sites[low].file_offset + sites[low].syscall_at != file_offset)
    return nullptr;
  return &sites[low];
}

void rewrite_all(Thread* t, const CodeRegion& region, const Site* sites, uint32_t count) {
  uint64_t size = region.end - region.begin;
  for (uint32_t i = 0; i < count; i++) {
    const Site& s = sites[i];
    if (!(s.flags & sites::kRewritable) || s.file_offset < region.file_offset) continue;
    uint64_t at = s.file_offset - region.file_offset;
    if (at + s.len > size || at + s.stone + 5 > size || patch_of(region.begin + at)) continue;
    rewrite(t, s, region.begin + at);
  }
}

void patch_region(Thread* t, CodeRegion& region) {
  const SiteTable* table = site_table(t, region, 2000);
  const uint32_t counters = control()->settings.serial_threads && table ? table->counters : 0;
  if (!table || (!table->rewritable && !table->entries && !counters)) return;
  if (!make_writable(region.begin, region.end)) return;
  rewrite_all(t, region, table->sites(), table->count);
  rewrite_all(t, region, table->counter_sites(), counters);
  hook_entries(*table, region);
  make_executable(region.begin, region.end);
}

// A page of code of one's own, two changes of its protection and a question to the monitor cost as
// much as some traps: short-lived programs, which make most calls once or twice, get by without.
bool worth_it(uint64_t site) {
  constexpr uint8_t kTraps = 16;
  static uint8_t seen[512];  // by site; two that share a count are rewritten earlier
  uint8_t& n = seen[(site ^ site >> 9) % sizeof seen];
  return n == kTraps || ++n == kTraps;
}

}  // namespace

void note_code(Thread* t, uint64_t address, uint64_t length) {
  forget_regions(address, address + length);
  forget_entries(address, address + length);
  for (int i = 0; i < patched_count;) {
    bool gone = patched[i].start >= address && patched[i].start < address + length;
    if (gone)
      patched[i] = patched[--patched_count];
    else
      i++;
  }
  const bool at_once = t->proc->multi_threaded || control()->settings.serial_threads;
  if (at_once || has_shared_memory()) hook_at_once(t, address);
}

void hook_at_once(Thread* t, uint64_t address) {
  if (CodeRegion* r = find_region(t, address)) patch_region(t, *r);
}

void patch_site(Thread* t, Regs* r) {
  t->restart = r->rip - 2;
  uint64_t at = r->rip - 2;
  if (t->proc->multi_threaded || !worth_it(at)) return;
  CodeRegion* region = find_region(t, at);
  if (!region) return;
  const SiteTable* table = site_table(t, *region, 0);
  if (!table) return;
  const Site* s = find_site(*table, at - region->begin + region->file_offset);
  if (!s || !(s->flags & sites::kRewritable)) return;
  uint64_t start = at - s->syscall_at;
  if (start < region->begin || start + s->len > region->end) return;
  if (!make_writable(start, start + s->len)) return;
  const Patched* p = rewrite(t, *s, start);
  make_executable(start, start + s->len);
  if (!p) return;
  r->rip = p->trampoline + p->syscall_at + kEntrySize;
  t->restart = r->rip - kEntrySize;
}

void patch_all(Thread* t) {
  // All are asked for before the first is waited for.
  each_region(t, [](Thread* t, CodeRegion& region) { (void)site_table(t, region, 0); });
  each_region(t, patch_region);
  if (!t->trap || !t->regs) return;
  // The call in progress trapped at a site that may just have been rewritten.
  t->regs->rip = relocated(t->regs->rip);
  t->restart = relocated(t->restart);
}

uint64_t restart_address(const Thread* t, const Regs* r) {
  return t->trap ? t->restart : r->rip - kEntrySize;
}

uint64_t relocated(uint64_t rip) {
  for (int i = 0; i < patched_count; i++) {
    const Patched& p = patched[i];
    if (rip <= p.start || rip >= p.start + p.len) continue;
    uint64_t offset = rip - p.start;
    return p.trampoline + offset + (offset > p.syscall_at ? kEntrySize - p.instruction : 0);
  }
  return rip;
}

bool reads_processor(uint64_t go_on) {
  constexpr uint8_t kRdtscp = 3;
  for (int i = 0; i < patched_count; i++) {
    const Patched& p = patched[i];
    if (go_on == p.trampoline + p.syscall_at + kEntrySize) return p.instruction == kRdtscp;
  }
  return false;
}

uint64_t original(uint64_t rip) {
  for (int i = 0; i < patched_count; i++) {
    const Patched& p = patched[i];
    if (rip < p.trampoline || rip >= p.trampoline + p.size) continue;
    uint64_t offset = rip - p.trampoline;
    if (offset <= p.syscall_at) return p.start + offset;
    if (offset < p.syscall_at + kEntrySize) return p.start + p.syscall_at;
    offset -= kEntrySize - p.instruction;
    return p.start + (offset < p.len ? offset : p.len);
  }
  return rip;
}

}  // namespace mx::agent
