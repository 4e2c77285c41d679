#include "shim/agent/warm.h"

#include "shim/agent/maps_line.h"

namespace mx::agent {

namespace {

constexpr uint64_t kPage = stream::kPage;
constexpr long kPopulateRead = 22, kPopulateWrite = 23;  // madvise(2)
constexpr uint64_t kPresent = uint64_t{1} << 63, kOfFile = uint64_t{1} << 61,
                   kExclusive = uint64_t{1} << 56;                  // pagemap: proc(5)
constexpr uint64_t kMostLooked = 64 << 10, kMostTouched = 1 << 10;  // pages
constexpr uint64_t kMostCode = 8 << 20;                             // bytes

struct Left {
  uint64_t look = kMostLooked, touch = kMostTouched;
};

void write_to(uint64_t page) {
  sys(__NR_madvise, page, kPage, kPopulateWrite);
  __asm__ volatile("lock orb $0, (%0)" ::"r"(page) : "memory");
}

// Pages that only this process has any more: the other one has written to them since.
void touch_written(int pagemap, uint64_t from, uint64_t to, Left& left) {
  uint64_t entries[64];
  while (from < to && left.look && left.touch) {
    uint64_t count = (to - from) / kPage;
    if (count > 64) count = 64;
    if (count > left.look) count = left.look;
    const long n = sys(__NR_pread64, pagemap, entries, count * 8, from / kPage * 8);
    if (n < 8) return;
    for (long i = 0; i < n / 8 && left.touch; i++) {
      if ((entries[i] & (kPresent | kOfFile | kExclusive)) != (kPresent | kExclusive)) continue;
      write_to(from + i * kPage);
      left.touch--;
    }
    left.look -= n / 8;
    from += n / 8 * kPage;
  }
}

void warm_range(const char* line, int pagemap, Left& left) {
  MapsLine m;
  if (!parse(line, m) || m.perms[0] != 'r' || m.perms[3] != 'p') return;
  if (m.perms[1] == 'w')
    touch_written(pagemap, m.begin, m.end, left);
  else if (m.perms[2] == 'x' && m.end - m.begin <= kMostCode)
    sys(__NR_madvise, m.begin, m.end - m.begin, kPopulateRead);
}

}  // namespace

void warm_up() {
  const long maps = sys(__NR_openat, -100, "/proc/self/maps", 02000000),
             pagemap = sys(__NR_openat, -100, "/proc/self/pagemap", 02000000);
  if (!is_error(maps) && !is_error(pagemap)) {
    LineReader reader{static_cast<int>(maps), {}};
    Left left;
    while (const char* line = reader.next()) warm_range(line, static_cast<int>(pagemap), left);
  }
  if (!is_error(maps)) sys(__NR_close, maps);
  if (!is_error(pagemap)) sys(__NR_close, pagemap);
}

}  // namespace mx::agent
