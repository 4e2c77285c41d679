#include "recovery/room.h"

#include <algorithm>

namespace mx::recovery {
namespace {

constexpr uint64_t kReach = (uint64_t{1} << 31) - (1 << 20);
constexpr uint64_t kGuard = 1 << 20;         // to anything else
constexpr uint64_t kHeapGrowth = 512 << 20;  // left free above the heap
constexpr uint64_t kStackGrowth = 64 << 20;  // left free below the stack
constexpr uint64_t kLowest = 0x1000000;      // null pointers with an offset must go on to fault
constexpr uint64_t kHighest = 0x7ffffffff000;

struct Gap {
  uint64_t start, end;
};

std::vector<Gap> gaps_of(const AddressSpace& space) {
  std::vector<Gap> out;
  uint64_t from = kLowest;
  auto add = [&](uint64_t to, const std::string& next) {
    uint64_t margin = next == "[stack]" ? kStackGrowth : kGuard;
    if (to > from + margin) out.push_back({from, to - margin});
  };
  for (const Range& r : space.ranges) {
    add(r.start, r.what);
    from = std::max(from, r.end + (r.what == "[heap]" ? kHeapGrowth : kGuard));
  }
  add(kHighest, "");
  return out;
}

}  // namespace

uint64_t find_room(const AddressSpace& space, const Module& module, uint64_t size) {
  // The heap starts somewhere above the program, also before it has a first page.
  bool fixed = !module.elf->position_independent();
  uint64_t lowest = module.end > kReach ? module.end - kReach : kLowest;
  uint64_t highest = module.start + kReach;
  if (fixed) highest = std::min<uint64_t>(highest, kReach);
  uint64_t below = 0, above = 0;
  for (const Gap& g : gaps_of(space)) {
    uint64_t start = std::max(g.start, lowest), end = std::min(g.end, highest);
    if (end < start || end - start < size) continue;
    uint64_t at = (end - size) & ~uint64_t{4095};
    if (at < start) continue;
    if (at + size <= module.start)
      below = at;
    else
      above = at;  // the last one is the farthest from a heap that grows
  }
  return below && !fixed ? below : above ? above : below;
}

}  // namespace mx::recovery
