// Keeps site tables between runs: finding takes tens of milliseconds, reading one takes
// microseconds.
//
// One file a table: `<build-id in hex>.v<version>.sites`, or
// `code-<hash>-<size>.v<version>.sites` for files without one. A file that is looked up
// by descriptor also has `IDENTITY.v<version>.table` (host_tables.h): hashing the code
// of libc takes longer than everything else that a start asks of the monitor. A file
// counts only if it belongs to root or to us, nobody else can write it, and its magic,
// version, size, checksum and code hash (of one found by its build-id) are right; else
// the table is found anew and the file replaced. Do not share a directory between users
// who do not trust each other: the hash of the code is no cryptographic one.
#pragma once
#include <string>

#include "find_sites.h"

namespace mx::sites {

class SiteCache {
 public:
  struct Counts {
    unsigned hits = 0;
    unsigned misses = 0;    // no file
    unsigned rejected = 0;  // a file that does not count
    unsigned unwritten = 0;
  };

  /// Uses `directory`, made when first needed; empty: no cache, every look-up finds.
  explicit SiteCache(std::string directory) : directory_(std::move(directory)) {}
  /// /var/cache/mx/sites if it can be made and written, else $XDG_CACHE_HOME/mx/sites, else none.
  static SiteCache standard();

  /// The table of an ELF file, from the cache or found now (and then kept, if possible: failing to
  /// write is counted, not an error). Errors: as find_sites_file().
  Result<TableBytes> lookup_or_find(const std::string& path);
  /// The same for an open descriptor, which stays the caller's.
  Result<TableBytes> lookup_or_find(int fd);

  const std::string& directory() const { return directory_; }
  const Counts& counts() const { return counts_; }

 private:
  Result<TableBytes> lookup_or_find(Bytes elf_file);
  static bool read(const std::string& path, TableBytes* table);
  bool read(const std::string& path, const ElfImage& image, TableBytes* table);
  bool write(const std::string& path, Bytes bytes);

  std::string directory_;
  Counts counts_;
};

/// True if `raw` is a whole table whose every site an agent can rely on: checksum, order, lengths.
bool valid_table(Bytes raw);

}  // namespace mx::sites
