#include "shim/agent/written_names.h"

#include "shim/agent/memory.h"

namespace mx::agent {

namespace {

constexpr uint64_t kFile = 1, kListing = 3;  // seeds: the same path is two names
constexpr uint32_t kMostWritten = stream::kWrittenSlots / 2;

stream::WrittenNames& names(Version v) { return control()->written[static_cast<int>(v)]; }

uint64_t name_of(uint64_t seed, const char* path, size_t n) { return digest(seed, path, n) | 1; }

bool has(const stream::WrittenNames& table, uint64_t name) {
  for (uint32_t k = 0; k < stream::kWrittenSlots; k++) {
    uint64_t there = table.slot[(name + k) % stream::kWrittenSlots].load(std::memory_order_relaxed);
    if (there == name) return true;
    if (!there) return false;
  }
  return false;
}

void add(stream::WrittenNames& table, uint64_t name) {
  if (table.count.load() >= kMostWritten) return;  // see overfull()
  for (uint32_t k = 0; k < stream::kWrittenSlots; k++) {
    std::atomic<uint64_t>& slot = table.slot[(name + k) % stream::kWrittenSlots];
    uint64_t there = 0;
    if (slot.compare_exchange_strong(there, name)) {
      table.count.fetch_add(1);
      return;
    }
    if (there == name) return;
  }
}

}  // namespace

void note_written_file(Version v, const char* path) {
  add(names(v), name_of(kFile, path, string_length(path, 4096)));
}

void note_written_listing(Version v, const char* path) {
  add(names(v), name_of(kListing, path, string_length(path, 4096)));
}

bool any_written(Version v) { return names(v).count.load(std::memory_order_relaxed); }

// Names were lost: nothing is known to be unwritten.
static bool overfull(Version v) {
  return names(v).count.load(std::memory_order_acquire) >= kMostWritten;
}

bool inside_written(Version v, const char* path) {
  if (!any_written(v)) return false;
  if (overfull(v)) return true;
  for (size_t n = string_length(path, 4096); n > 1; n--)
    if ((path[n] == '/' || path[n] == 0) && has(names(v), name_of(kFile, path, n))) return true;
  return false;
}

bool written(Version v, const char* path) {
  if (!any_written(v)) return false;
  return inside_written(v, path) ||
         has(names(v), name_of(kListing, path, string_length(path, 4096)));
}

}  // namespace mx::agent
