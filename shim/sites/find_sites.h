// Finds the `syscall` instructions of an ELF file and decides which can become a jump.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "elf_image.h"
#include "result.h"
#include "site_table.h"

namespace mx::sites {

/// The bytes of a SiteTable with its sites, aligned to 8 and sealed with its checksum.
class TableBytes {
 public:
  TableBytes(const std::vector<Site>& sites, const std::vector<LockEntry>& entries,
             const std::vector<Site>& counters, Bytes build_id, uint64_t code_hash);
  /// Takes bytes that were read from somewhere; nothing is checked (see site_cache.h).
  explicit TableBytes(Bytes raw);

  const SiteTable& table() const { return *reinterpret_cast<const SiteTable*>(words_.data()); }
  std::span<const LockEntry> lock_entries() const {
    return {table().lock_entries(), table().entries};
  }
  std::span<const Site> counters() const { return {table().counter_sites(), table().counters}; }
  std::span<const Site> sites() const { return {table().sites(), table().count}; }
  Bytes bytes() const { return {reinterpret_cast<const uint8_t*>(words_.data()), size_}; }

 private:
  std::vector<uint64_t> words_;
  size_t size_;
};

/// FNV-1a over a table with its checksum field taken as 0. REQUIRES: at least a header.
uint64_t table_checksum(Bytes table);

/// A hash of all code of the file, not a cryptographic one: tells builds apart that share a
/// build-id.
uint64_t code_hash(const ElfImage& image);

/// Every syscall instruction of `elf_file`, rewritable or refused, ascending, and those that read
/// the time-stamp counter and are rewritable. `elf_file` may be hostile. Errors: not an x86-64 ELF
/// file, headers that contradict it, or code above 4 GiB.
Result<TableBytes> find_sites(Bytes elf_file);
Result<TableBytes> find_sites(const ElfImage& image);

/// The same for a file that is mapped for the time of the call. Errors: also open and mmap.
Result<TableBytes> find_sites_file(const std::string& path);

/// A word for a reason: "branch-target", "unmovable", …
const char* reason_name(Reason reason);

}  // namespace mx::sites
