// Where mx lives in the address space of every process of both versions, and in the shared arena
// file.
//
// Everything is at fixed addresses, so that the agent needs no relocation and a seccomp filter can
// recognise its system calls by instruction pointer. The range is far from where the kernel places
// PIE programs (0x55…), mmap (0x7f…), non-PIE programs (0x400000) and from Go's and ASan's ranges.
//
//   kAgentBase  + 0          boot page (code written by the monitor at exec, see monitor/inject)
//               + 0x10000    agent text      (read-only, from the arena file)
//               + 0x100000   agent data      (private, copied on write)
//               + 0x160000   block of the first thread, see agent/threads.cpp
//               + 0x180000   state of the first process
//   kArenaBase               the arena: shared by all processes of one run
//   kHeapBase                blocks of other threads and processes (private)
//
// A page of the kernel's own tables spans 2 MiB (of the next level 1 GiB), and making and freeing
// one costs some 150 µs in a virtual machine with shadowed page tables, ten times a page. So what
// every process touches stands close together: one such range for what is private, one for the
// control block, one for the first lane.
#pragma once
#include <cstddef>
#include <cstdint>

namespace mx::stream {

/// Changes whenever anything in shim/stream changes; agent and monitor refuse to work with another.
inline constexpr uint32_t kProtocolVersion = 37;
inline constexpr uint64_t kArenaMagic = 0x616e6572'41786d00ULL;

inline constexpr uint64_t kAgentBase = 0x1e0000000000ULL;
inline constexpr uint64_t kBootAddress = kAgentBase;
inline constexpr uint64_t kTextAddress = kAgentBase + 0x10000;
inline constexpr uint64_t kCodeEnd = kAgentBase + 0x100000;  // system calls from below are allowed
inline constexpr uint64_t kDataAddress = kAgentBase + 0x100000;
inline constexpr uint64_t kFirstThread = kAgentBase + 0x160000;
inline constexpr uint64_t kFirstProcess = kAgentBase + 0x180000;
inline constexpr uint64_t kArenaBase = kAgentBase + 0x2000000;
inline constexpr uint64_t kHeapBase = kAgentBase + 0x4000000000ULL;
inline constexpr uint64_t kRangeEnd = kAgentBase + 0x5000000000ULL;

inline constexpr uint64_t kPage = 4096;

// The arena file.
inline constexpr size_t kMaxProcesses = 1024;
inline constexpr size_t kMaxLanes = 2048;
inline constexpr size_t kLag =
    2048 * 1024;  // bytes, a power of two: what the follower may lag, some milliseconds of payload
// bytes, a power of two: what is kept of a lane for checkpoints, see agent/log.h
inline constexpr size_t kLog = 64 << 20;
inline constexpr size_t kLaneScratch =
    4 << 20;  // behind each ring: the list of descriptors at a failover
// A lane's place: a History for each version, struct Staging (see flight.h), the ring, the scratch.
// The file is sparse.
inline constexpr uint64_t kHistorySize = 2 * kPage;
inline constexpr uint64_t kStagingInLane = 2 * kHistorySize;
inline constexpr uint64_t kRingInLane = 128 * 1024;
inline constexpr uint64_t kSignalsInLane =
    kRingInLane + kLag + kLaneScratch;  // struct SignalsLeft, see agent/left_signals.h
inline constexpr uint64_t kLaneStride = kLag + kLaneScratch + (2 << 20);
inline constexpr size_t kMailboxSlots = 1024;

inline constexpr uint64_t kArenaHeaderOffset = 0;
inline constexpr uint64_t kAgentImageOffset = 0x100000;  // 1 MiB reserved
inline constexpr uint64_t kAgentImageLimit = 0x100000;
inline constexpr uint64_t kControlOffset = 0x200000;  // struct Control, see arena.h
inline constexpr uint64_t kLanesOffset = 0xa00000;
inline constexpr uint64_t kSitesOffset = kLanesOffset + kMaxLanes * kLaneStride;
inline constexpr uint64_t kSitesSize = 16 << 20;  // tables of rewritable sites
inline constexpr size_t kMaxSiteTables = 512;
inline constexpr uint64_t kBlankOffset =
    kSitesOffset +
    kSitesSize;  // never written: what the agent maps privately, see agent/threads.cpp
inline constexpr uint64_t kBlankSize = 32 << 20;
inline constexpr uint64_t kArenaSize = kBlankOffset + kBlankSize;  // what is mapped
inline constexpr uint64_t kLogsOffset = kArenaSize;  // of each lane, behind what is mapped
// Behind the logs, for each version (joint.h): the memory that its processes run on after they came
// back, that of the checkpoint, that of the next one, and one between.
inline constexpr uint32_t kSharedSlots = 4;
inline constexpr uint64_t kSharedSize = 1
                                        << 30;  // of mappings, at most: room in a file with holes …
inline constexpr uint64_t kMostShared = 64 << 20;  // … of which this much is written
inline constexpr uint64_t kSharedCopiesOffset = kLogsOffset + kMaxLanes * kLog;
inline constexpr uint64_t kArenaFileSize = kSharedCopiesOffset + 2 * kSharedSlots * kSharedSize;
static_assert(kArenaBase + kArenaSize <= kHeapBase);
inline constexpr uint64_t kAddressSpace =
    kArenaSize + (64 << 20);  // with what a process has of its own

/// Where in the arena the place of a lane begins, its ring, its log, and its staging area.
constexpr uint64_t lane_offset(uint64_t lane) { return kLanesOffset + lane * kLaneStride; }
constexpr uint64_t ring_offset(uint64_t lane) { return lane_offset(lane) + kRingInLane; }
constexpr uint64_t log_offset(uint64_t lane) { return kLogsOffset + lane * kLog; }
constexpr uint64_t signals_offset(uint64_t lane) { return lane_offset(lane) + kSignalsInLane; }
constexpr uint64_t staging_offset(uint64_t lane) { return lane_offset(lane) + kStagingInLane; }

}  // namespace mx::stream
