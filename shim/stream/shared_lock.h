// Locks in memory that processes of a version share: the order in which the leader's processes had
// them is the follower's, too (agent/shared_locks.h).
#pragma once
#include <atomic>
#include <cstdint>

namespace mx::stream {

struct SharedLock {
  std::atomic<uint64_t> key;      ///< which mapping, and where in it; 0: free
  std::atomic<uint32_t> taken;    ///< how often processes of the leader have had it
  std::atomic<uint32_t> waiters;  ///< who sleeps on a place
  /// By version and Joint::epoch: how often its processes, as followers, have had it (a futex; it
  /// wraps around). Those that go back to a checkpoint together begin a new epoch while the others
  /// end, from the number that it was then.
  std::atomic<uint32_t> followed[2][2];
};
inline constexpr uint32_t kSharedLocks = 256;

}  // namespace mx::stream
