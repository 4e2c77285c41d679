// Where mx lives in the address space of every process of both versions, and in the shared arena
// file.
//
// Everything is at fixed addresses, so that the agent needs no relocation and a seccomp filter can
// recognise its system calls by instruction pointer. The range is far from where the kernel places
// PIE programs (0x55…), mmap (0x7f…), non-PIE programs (0x400000) and from Go's and ASan's ranges.
//
//   kAgentBase  + 0          boot page (code written by the monitor at exec, see monitor/inject)
//               + 0x10000    agent text      (read-only, from the arena file)
//               + 0x200000   agent data      (private, copied on write)
//   kHeapBase                per-process and per-thread state of the agent (private)
//   kArenaBase               the arena: shared by all processes of one run
#pragma once
#include <cstddef>
#include <cstdint>

namespace mx::stream {

/// Changes whenever anything in shim/stream changes; agent and monitor refuse to work with another.
inline constexpr uint32_t kProtocolVersion = 17;
inline constexpr uint64_t kArenaMagic = 0x616e6572'41786d00ULL;

inline constexpr uint64_t kAgentBase = 0x1e0000000000ULL;
inline constexpr uint64_t kBootAddress = kAgentBase;
inline constexpr uint64_t kTextAddress = kAgentBase + 0x10000;
inline constexpr uint64_t kCodeEnd = kAgentBase + 0x200000;  // system calls from below are allowed
inline constexpr uint64_t kDataAddress = kAgentBase + 0x200000;
inline constexpr uint64_t kHeapBase = kAgentBase + 0x10000000;
inline constexpr uint64_t kArenaBase = kAgentBase + 0x1000000000ULL;

inline constexpr uint64_t kPage = 4096;

// The arena file.
inline constexpr size_t kMaxProcesses = 1024;
inline constexpr size_t kMaxLanes = 2048;
inline constexpr size_t kLag =
    2048 * 1024;  // bytes, a power of two: what the follower may lag, some milliseconds of payload
inline constexpr size_t kLog = 64 << 20;  // bytes, a power of two: what is kept of a lane for
                                          // checkpoints, see agent/log.h
inline constexpr size_t kLaneScratch =
    4 << 20;  // behind each ring: the list of descriptors at a failover
inline constexpr uint64_t kLaneStride = kLag + kLaneScratch;  // the file is sparse
inline constexpr size_t kMailboxSlots = 1024;

inline constexpr uint64_t kArenaHeaderOffset = 0;
inline constexpr uint64_t kAgentImageOffset = 0x100000;  // 1 MiB reserved
inline constexpr uint64_t kAgentImageLimit = 0x100000;
inline constexpr uint64_t kControlOffset = 0x200000;  // struct Control, see arena.h
inline constexpr uint64_t kRingsOffset = 0x800000;
inline constexpr uint64_t kSitesOffset = kRingsOffset + kMaxLanes * kLaneStride;
inline constexpr uint64_t kSitesSize = 16 << 20;  // tables of rewritable sites
inline constexpr size_t kMaxSiteTables = 512;
inline constexpr uint64_t kStagingOffset =
    kSitesOffset + kSitesSize;  // struct Staging, one a lane, see flight.h
inline constexpr uint64_t kStagingStride = 80 * 1024;
inline constexpr uint64_t kHistoryOffset =
    kStagingOffset + kMaxLanes * kStagingStride;  // a History for each version of each lane
inline constexpr uint64_t kHistorySize = 2 * kPage;
inline constexpr uint64_t kBlankOffset =
    kHistoryOffset + kMaxLanes * 2 * kHistorySize;  // never written: what the agent maps privately,
                                                    // see agent/threads.cpp
inline constexpr uint64_t kBlankSize = 32 << 20;
inline constexpr uint64_t kArenaSize = kBlankOffset + kBlankSize;  // what is mapped
inline constexpr uint64_t kLogsOffset = kArenaSize;  // of each lane, behind what is mapped
inline constexpr uint64_t kArenaFileSize = kLogsOffset + kMaxLanes * kLog;

}  // namespace mx::stream
