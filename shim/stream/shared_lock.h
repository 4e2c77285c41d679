// Locks in memory that processes of a version share: the order in which the leader's processes had
// them is the follower's, too (agent/shared_locks.h).
#pragma once
#include <atomic>
#include <cstdint>

namespace mx::stream {

/// Up to where a version's processes, as followers, have had the lock: a number that wraps around,
/// and in the upper half the epoch. Processes that go back together (joint.h) begin a new one, from
/// the number that it was at their checkpoint; who is of another epoch does not count.
constexpr uint64_t lock_place(uint32_t epoch, uint32_t number) {
  return uint64_t{epoch} << 32 | number;
}
constexpr uint32_t epoch_of(uint64_t place) { return static_cast<uint32_t>(place >> 32); }
constexpr uint32_t number_of(uint64_t place) { return static_cast<uint32_t>(place); }

struct SharedLock {
  std::atomic<uint64_t> key;      ///< which mapping, and where in it; 0: free
  std::atomic<uint32_t> taken;    ///< how often processes of the leader have had it
  std::atomic<uint32_t> waiters;  ///< who sleeps on the lower half of a place (a futex)
  std::atomic<uint64_t> followed[2];  ///< by Version: see lock_place()
};
inline constexpr uint32_t kSharedLocks = 256;

}  // namespace mx::stream
