// The files whose code is mapped, and the tables of their sites.
#pragma once
#include "shim/agent/state.h"
#include "shim/sites/site_table.h"

namespace mx::agent {

/// Whose use of locks the agent must know of.
enum class CodeKind : uint8_t {
  kOther,
  kAllocator,  ///< a memory allocator with threads of its own: jemalloc, tcmalloc, mimalloc
  kPython,     ///< an interpreter whose threads take turns by a lock and a time limit
};

struct CodeRegion {
  uint64_t begin, end;
  uint64_t file_offset;
  uint64_t device, inode;  ///< inode 0: no file
  int32_t entry;           ///< index in Control::sites, -1: none
  CodeKind kind;
};
inline constexpr int kMaxRegions = 256;

/// The region around `address`; reads /proc/self/maps when it is not known yet. Null: unknown.
CodeRegion* find_region(Thread* t, uint64_t address);
/// Of the code at `address`; known for what is in a process when its second thread starts.
CodeKind code_kind(uint64_t address);
/// Whether a file that is mapped as code is a library whose random numbers are events. Asks /proc.
bool is_random_library(int fd);
void forget_regions(uint64_t begin, uint64_t end);
/// Makes every executable mapping of a file known. Calls f for each.
void each_region(Thread* t, void (*f)(Thread*, CodeRegion&));
/// The table of the region's file if it is there; asks the monitor for it if nobody has. `wait_ms`:
/// how long to wait for the answer.
const sites::SiteTable* site_table(Thread* t, CodeRegion& region, int wait_ms);

}  // namespace mx::agent
