// The table of system-call sites of one ELF file: what the finder writes, what the agent reads.
//
// Plain data with fixed sizes, usable in freestanding code. One block of bytes:
//
//   +------------+----------------------------------+-------------------------------------+
//   | SiteTable  | Site[count], ascending by offset | LockEntry[entries], ascending       |
//   +------------+----------------------------------+-------------------------------------+
//   | Site[counters], ascending: not `syscall` but rdtsc or rdtscp, only those that can be
//   rewritten |
//   +------------------------------------------------------------------------------------------------+
//
// A rewritable site is a region of whole instructions with one `syscall` in it:
//
//   offset            offset+syscall_at   +2                offset+len
//   | before ...      | 0f 05             | after ...       |
//
// The agent puts `jmp rel32` at `offset` and int3 on the rest. Its trampoline holds: the before
// part, the entry to the agent, the after part, a jump to offset+len. Both parts are copied byte by
// byte and then adjusted by the site's fix-ups (see relocate.h). Nothing known jumps to offset+1 …
// offset+len-1.
//
// A reader of the counter between a branch and a branch's target has no such region: there a short
// jump leads to the `jmp rel32`, which stands in the padding behind the function (`stone`).
#pragma once
#include <cstdint>

namespace mx::sites {

inline constexpr uint32_t kTableMagic = 0x5453786d;  // "mxST"
/// Changes whenever the layout or the rules of the finder change: a cached table of another is
/// stale.
inline constexpr uint32_t kTableVersion = 10;
/// The most bytes a region has: bounds the agent's trampoline.
inline constexpr uint32_t kMaxRegion = 48;
/// Likewise of a lock function, if it moves as a whole.
inline constexpr uint32_t kMaxEntry = 192;

/// Why a site stays on the trap path. Where both sides fail, the obstacle after the syscall counts.
enum class Reason : uint8_t {
  kNone = 0,          // rewritable
  kNoBounds = 1,      // no function is known around it, and the gap does not decode cleanly
  kUndecodable = 2,   // its function does not decode cleanly
  kBranchTarget = 3,  // a byte that is needed can be jumped to
  kUnmovable = 4,     // a neighbour transfers control or depends on where it stands
  kNoRoom = 5,        // the function ends, or the region would be too long
  kIndirectJump = 6,  // an indirect jump of the function could lead anywhere in it
  kSignalReturn = 7,  // rt_sigreturn: unwinders know its bytes, and it is allowed everywhere
  kOverlap = 8,       // a neighbouring site took the bytes
  kLandingPads = 9,   // the exception table of the function is unreadable
};

enum SiteFlag : uint8_t {
  kRewritable = 1,     // else: offset is the syscall's, len 2
  kGuessedBounds = 2,  // no function bounds known: the gap between known functions was decoded
  kTouchesMemory = 4,  // a moved instruction reads or writes memory: it can fault in the trampoline
};

struct Site {
  uint32_t offset;       // where the region starts: the file's virtual address (p_vaddr space)
  uint32_t file_offset;  // the same place as a position in the file
  uint8_t len;           // bytes of the region, 5 … kMaxRegion
  uint8_t syscall_at;    // where the 0f 05 stands in the region
  uint8_t flags;         // SiteFlag
  Reason reason;
  uint8_t disp32_at[2];  // where RIP-relative displacements stand in the region, ascending; 0: none
  uint8_t size;          // bytes of the instruction that is replaced: 2, or 3 (rdtscp)
  uint8_t stone;  // 0, or a region without room: how far behind `offset` five unused bytes are
};

/// The first bytes of a function whose calls the agent wants to see (lock_entries.h).
struct LockEntry {
  uint32_t offset;  // as in Site; behind an endbr64
  uint32_t file_offset;
  uint8_t len;           // whole instructions, 5 … kMaxEntry, maybe the whole function; 0: only
                         // the address is wanted
  uint8_t function;      // index in kLockFunctions
  uint8_t disp32_at[2];  // displacements relative to the instruction's end, as in Site
  // where a conditional branch with an 8-bit displacement ends the bytes; 0: none
  uint8_t short_branch;
  uint8_t reserved[3];
};

struct SiteTable {
  uint32_t magic;
  uint32_t version;
  uint32_t bytes;  // of the whole table, this header included
  uint32_t count;
  uint32_t rewritable;    // how many of `count`
  uint8_t build_id_size;  // 0: the file has none
  uint8_t build_id[32];
  uint8_t reserved[3];
  uint32_t entries;
  uint32_t counters;
  uint64_t code_hash;  // of the file's code, see code_hash() in find_sites.h
  uint64_t checksum;   // FNV-1a (64 bit) over the table with this field 0

  const Site* sites() const { return reinterpret_cast<const Site*>(this + 1); }
  const LockEntry* lock_entries() const {
    return reinterpret_cast<const LockEntry*>(sites() + count);
  }
  const Site* counter_sites() const {
    return reinterpret_cast<const Site*>(lock_entries() + entries);
  }
};

static_assert(sizeof(Site) == 16 && alignof(Site) == 4);
static_assert(sizeof(LockEntry) == 16);
static_assert(sizeof(SiteTable) == 80 && alignof(SiteTable) == 8);

/// True when `size` bytes at `table` (8-byte aligned) hold a complete table of this version.
/// The checksum is not looked at (see site_cache.h).
inline bool plausible(const SiteTable* table, uint64_t size) {
  return size >= sizeof(SiteTable) && table->magic == kTableMagic &&
         table->version == kTableVersion && table->bytes == size &&
         size - sizeof(SiteTable) == (uint64_t{table->count} + table->counters) * sizeof(Site) +
                                         uint64_t{table->entries} * sizeof(LockEntry);
}

}  // namespace mx::sites
