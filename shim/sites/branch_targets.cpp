#include "branch_targets.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace mx::sites {
namespace {

template <typename T>
T load(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

void set_bit(std::vector<uint64_t>* bits, uint64_t at) {
  (*bits)[at / 64] |= uint64_t{1} << (at % 64);
}

enum class Pattern : uint8_t { kNone, kRel32, kJcc32, kLea, kImmediate };

constexpr std::array<Pattern, 256> make_patterns() {
  std::array<Pattern, 256> patterns{};
  patterns[0xe8] = patterns[0xe9] = Pattern::kRel32;
  patterns[0x0f] = Pattern::kJcc32;
  patterns[0x8d] = Pattern::kLea;
  for (int opcode = 0xb8; opcode <= 0xbf; ++opcode) patterns[opcode] = Pattern::kImmediate;
  patterns[0x68] = Pattern::kImmediate;
  return patterns;
}

constexpr auto kPatterns = make_patterns();

}  // namespace

BranchTargets::BranchTargets(const ElfImage& image, const std::vector<uint64_t>& entries)
    : image_(image) {
  for (const Segment& code : image.code()) {
    const size_t words = code.bytes.size() / 64 + 1;
    maps_.push_back(
        {code.address, code.end(), std::vector<uint64_t>(words), std::vector<uint64_t>(words)});
  }
  for (const uint64_t entry : entries) mark(entry);
  mark(image.entry());
  for (const Segment& code : image.code()) scan_code(code);
  for (const Segment& segment : image.segments()) scan_words(segment);
  std::sort(tables_.begin(), tables_.end());
  tables_.erase(std::unique(tables_.begin(), tables_.end()), tables_.end());
  for (size_t i = 0; i < tables_.size(); ++i)
    read_table(tables_[i], i + 1 < tables_.size() ? tables_[i + 1] : UINT64_MAX);
}

BranchTargets::Map* BranchTargets::map_of(uint64_t address) {
  for (Map& map : maps_)
    if (address >= map.begin && address < map.end) return &map;
  return nullptr;
}

const BranchTargets::Map* BranchTargets::map_of(uint64_t address) const {
  return const_cast<BranchTargets*>(this)->map_of(address);
}

void BranchTargets::mark(uint64_t address) {
  if (Map* map = map_of(address)) set_bit(&map->all, address - map->begin);
}

void BranchTargets::mark_from_data(uint64_t address) {
  Map* map = map_of(address);
  if (!map) return;
  set_bit(&map->all, address - map->begin);
  set_bit(&map->from_data, address - map->begin);
}

bool BranchTargets::marked(uint64_t address) const {
  const Map* map = map_of(address);
  if (!map) return false;
  const uint64_t at = address - map->begin;
  return (map->all[at / 64] >> (at % 64)) & 1;
}

bool BranchTargets::data_points_into(uint64_t begin, uint64_t end) const {
  const Map* map = map_of(begin);
  if (!map) return false;
  for (uint64_t a = begin; a < std::min(end, map->end);) {
    const uint64_t at = a - map->begin;
    const uint64_t rest = map->from_data[at / 64] >> (at % 64);
    if (rest & 1) return true;
    a += rest == 0 ? 64 - at % 64 : 1;
  }
  return false;
}

void BranchTargets::scan_code(const Segment& code) {
  const uint8_t* bytes = code.bytes.data();
  const size_t size = code.bytes.size();
  for (size_t i = 0; i + 6 <= size; ++i) {
    const Pattern pattern = kPatterns[bytes[i]];
    if (pattern == Pattern::kNone) continue;
    const uint64_t next = code.address + i;
    if (pattern == Pattern::kRel32) {
      mark(next + 5 + static_cast<int64_t>(load<int32_t>(bytes + i + 1)));
    } else if (pattern == Pattern::kJcc32) {
      if ((bytes[i + 1] & 0xf0) == 0x80) mark(next + 6 + int64_t{load<int32_t>(bytes + i + 2)});
    } else if (pattern == Pattern::kLea) {
      if ((bytes[i + 1] & 0xc7) != 0x05) continue;
      const uint64_t target = next + 6 + int64_t{load<int32_t>(bytes + i + 2)};
      mark(target);
      if (target % 4 == 0) tables_.push_back(target);
    } else if (image_.fixed_address()) {
      mark(load<uint32_t>(bytes + i + 1));
    }
  }
  // The last instruction of a segment may be a 5-byte one.
  if (size >= 5 && kPatterns[bytes[size - 5]] == Pattern::kRel32)
    mark(code.end() + int64_t{load<int32_t>(bytes + size - 4)});
}

void BranchTargets::scan_words(const Segment& segment) {
  const uint8_t* bytes = segment.bytes.data();
  for (size_t i = -segment.address % 8; i + 8 <= segment.bytes.size(); i += 8) {
    const auto word = load<uint64_t>(bytes + i);
    if (word != 0) mark_from_data(word);
  }
}

/// `table` may be anything a lea refers to: it is a table as far as its words are not 0 and, added
/// to its own address, lead into code, and at most up to `limit`, the next place a lea refers to:
/// tables stand side by side, and the entries of the next one mean nothing here.
void BranchTargets::read_table(uint64_t table, uint64_t limit) {
  const Bytes bytes = image_.from(table);
  for (size_t i = 0; i + 4 <= bytes.size() && table + i < limit && table_budget_ != 0; i += 4) {
    const auto offset = load<int32_t>(bytes.data() + i);
    const uint64_t target = table + int64_t{offset};
    if (offset == 0 || !map_of(target)) return;
    mark_from_data(target);
    --table_budget_;
  }
}

}  // namespace mx::sites
