// Checkpoints of processes that share memory, made by all of a version's together: while all stand
// still the memory is copied into the arena's file, then each makes its own (agent/joint.h,
// monitor/joint_checkpoints.h).
#pragma once
#include <atomic>
#include <cstdint>

#include "shim/stream/layout.h"
#include "shim/stream/shared_lock.h"

namespace mx::stream {

enum class JointPhase : uint32_t {
  kIdle = 0,
  kGathering = 1,  ///< asked for by the monitor: each process comes to rest
  kCopying = 2,    ///< all rest: the memory is copied
  kTaking = 3,     ///< each opens what has been copied of files
  kMaking = 4,     ///< each makes its checkpoint, and goes on
  kCalledOff = 5,
};

/// A piece of shared memory, as each process that has it has mapped it.
struct SharedPiece {
  uint64_t inode, offset, size;  ///< of the kernel's file behind it
  uint64_t place;                ///< of the copy, in the slot
  uint32_t owner;                ///< index of the process that copies it
};
inline constexpr uint32_t kMostPieces = 64;

/// A file that is mapped shared (agent/mapped_files.h): what it held is in a memfd of one of the
/// processes, from which the copies have it.
struct SharedFile {
  uint64_t device, inode;  ///< of the file
  uint64_t memfd_device, memfd;
  uint32_t owner;   ///< index of the process that makes it
  int32_t pid, fd;  ///< there
};
inline constexpr uint32_t kMostSharedFiles = 32;

/// Of one version.
struct Joint {
  std::atomic<uint32_t> phase;  ///< futex: enum JointPhase
  std::atomic<uint32_t> lock;   ///< of the tables of pieces and files
  std::atomic<uint32_t> arrived, copied, taken;
  std::atomic<uint32_t> refusal;  ///< enum CheckpointRefusal: why it was called off
  uint32_t expected;              ///< how many processes
  uint32_t round;                 ///< counts; never 0 while one goes on
  uint32_t slot;                  ///< where the copy is put
  uint32_t pieces;
  uint64_t used;                  ///< bytes of the slot
  std::atomic<uint64_t> written;  ///< … that have been copied
  SharedPiece piece[kMostPieces];
  uint32_t files;
  SharedFile file[kMostSharedFiles];
  std::atomic<uint32_t> epoch;  ///< 0 and 1 in turn: see SharedLock::followed
  /// By slot: of each lock, when the copy was made.
  uint32_t lock_number[kSharedSlots][kSharedLocks];
};

constexpr uint64_t shared_copy_offset(uint32_t version, uint32_t slot) {
  return kSharedCopiesOffset + (version * uint64_t{kSharedSlots} + slot) * kSharedSize;
}
static_assert(shared_copy_offset(1, kSharedSlots) == kArenaFileSize);

}  // namespace mx::stream
