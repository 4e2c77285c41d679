// Which files the processes of a version have mapped shared and may write to
// (agent/mapped_files.h).
#pragma once
#include <atomic>
#include <cstdint>

namespace mx::stream {

enum class MappedState : uint32_t { kFree = 0, kBeingWritten = 1, kThere = 2 };

/// One file of one process. What the process was is checked by who reads it: an entry may outlive
/// it.
struct MappedFile {
  std::atomic<uint32_t> written;  ///< 1: another process has written the shadow into the file
  std::atomic<uint32_t> state;    ///< enum MappedState
  uint32_t process;               ///< its index
  int32_t vpid;                   ///< … and what it is called
  int32_t fd;                     ///< follower: of the shadow, in that process; -1: none
  uint64_t device, inode;         ///< of the file
  uint64_t memfd_device, memfd;   ///< follower: of the shadow
};
inline constexpr uint32_t kMostMappedFiles = 256;

}  // namespace mx::stream
