#include <algorithm>
#include <cstddef>
#include <cstring>

#include "find_sites.h"

namespace mx::sites {

uint64_t table_checksum(Bytes table) {
  constexpr uint64_t kBasis = 0xcbf29ce484222325, kPrime = 0x100000001b3;
  constexpr size_t kFrom = offsetof(SiteTable, checksum), kTo = kFrom + sizeof(uint64_t);
  uint64_t hash = kBasis;
  for (size_t i = 0; i < table.size(); ++i) {
    const uint8_t byte = i >= kFrom && i < kTo ? 0 : table[i];
    hash = (hash ^ byte) * kPrime;
  }
  return hash;
}

TableBytes::TableBytes(const std::vector<Site>& sites, const std::vector<LockEntry>& entries,
                       const std::vector<Site>& counters, Bytes build_id, uint64_t code_hash)
    : size_(sizeof(SiteTable) + sites.size() * sizeof(Site) + entries.size() * sizeof(LockEntry) +
            counters.size() * sizeof(Site)) {
  SiteTable header{};
  header.magic = kTableMagic;
  header.version = kTableVersion;
  header.bytes = static_cast<uint32_t>(size_);
  header.count = static_cast<uint32_t>(sites.size());
  header.entries = static_cast<uint32_t>(entries.size());
  header.counters = static_cast<uint32_t>(counters.size());
  header.rewritable = static_cast<uint32_t>(std::count_if(
      sites.begin(), sites.end(), [](const Site& site) { return site.flags & kRewritable; }));
  header.build_id_size = static_cast<uint8_t>(std::min(build_id.size(), sizeof header.build_id));
  std::copy_n(build_id.begin(), header.build_id_size, header.build_id);
  header.code_hash = code_hash;
  words_.resize((size_ + 7) / 8);
  auto* raw = reinterpret_cast<uint8_t*>(words_.data());
  size_t at = 0;
  const auto append = [&](const void* from, size_t n) {
    if (n) std::memcpy(raw + at, from, n);
    at += n;
  };
  append(&header, sizeof header);
  append(sites.data(), sites.size() * sizeof(Site));
  append(entries.data(), entries.size() * sizeof(LockEntry));
  append(counters.data(), counters.size() * sizeof(Site));
  header.checksum = table_checksum(bytes());
  std::memcpy(raw, &header, sizeof header);
}

TableBytes::TableBytes(Bytes raw) : words_((raw.size() + 7) / 8), size_(raw.size()) {
  if (!raw.empty()) std::memcpy(words_.data(), raw.data(), raw.size());
}

uint64_t code_hash(const ElfImage& image) {
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;
  uint64_t hash = kOdd;
  const auto mix = [&](uint64_t word) {
    hash = (hash ^ word) * kOdd;
    hash ^= hash >> 29;
  };
  for (const Segment& code : image.code()) {
    mix(code.address);
    mix(code.bytes.size());
    size_t at = 0;
    for (; at + 8 <= code.bytes.size(); at += 8) {
      uint64_t word;
      std::memcpy(&word, &code.bytes[at], 8);
      mix(word);
    }
    for (; at < code.bytes.size(); ++at) mix(code.bytes[at]);
  }
  return hash;
}

const char* reason_name(Reason reason) {
  switch (reason) {
    case Reason::kNone:
      return "none";
    case Reason::kNoBounds:
      return "no-function-bounds";
    case Reason::kUndecodable:
      return "undecodable";
    case Reason::kBranchTarget:
      return "branch-target";
    case Reason::kUnmovable:
      return "unmovable";
    case Reason::kNoRoom:
      return "no-room";
    case Reason::kIndirectJump:
      return "indirect-jump";
    case Reason::kSignalReturn:
      return "signal-return";
    case Reason::kOverlap:
      return "overlap";
    case Reason::kLandingPads:
      return "landing-pads";
  }
  return "unknown";
}

}  // namespace mx::sites
