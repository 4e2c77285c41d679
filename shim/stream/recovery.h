// What agents and monitor share of checkpoints and of a recovery (docs/recovery.md).
#pragma once
#include <atomic>
#include <cstdint>

namespace mx::stream {

/// Bits of Process::look_up, by version: why its threads have to look up at the next system call.
inline constexpr uint32_t kWantCheckpoint =
    1;  ///< set by the monitor, cleared by the thread that makes it
inline constexpr uint32_t kStandStill =
    2;  ///< set by a thread that makes one: the others wait, it is a futex
inline constexpr uint32_t kWantKeeper =
    /// the process is nobody's child any more, or no young one: a SIGKILL of its leader must not
    /// take the descriptors along (agent/keeper.h)
    4;
/// by the monitor, beside kWantCheckpoint: no call begins; a thread that waits in one makes it
inline constexpr uint32_t kWantAtRest = 16;
inline constexpr uint32_t kWantJoint =
    8;  ///< set by the monitor: a checkpoint together with others, see joint.h

enum class SleeperState : uint32_t {
  kNone = 0,
  kMaking = 1,
  kAsleep = 2,  ///< can be woken
  kWoken = 3,   ///< by the monitor; the copy sets kNone when it has taken its place in the lanes
  kVoid = 4,    ///< cannot be used any more: the copy ends
};

/// A copy of one version's process, asleep at a system-call boundary. It holds its place in the
/// lanes (Lane::checkpoint): what was published since stays there.
struct Sleeper {
  std::atomic<uint32_t> state;  ///< futex: enum SleeperState
  std::atomic<int32_t> pid;     ///< real
  std::atomic<uint32_t> ready;  ///< futex: the copy has descriptors of its own
  uint64_t turn;                ///< Process::turn at its place
  uint32_t round;               ///< Joint::round, if it was made with others; else 0
  uint32_t slot;                ///< … and where their memory stands
};

/// A process that shares the memory of a version's
/// process and does nothing (agent/memory_holder.h).
struct MemoryHolder {
  /// real; the kernel clears it when it ends, unless it is the last one that has this memory
  std::atomic<int32_t> pid;
  std::atomic<uint32_t> of;  ///< futex: whose memory (real); it ends when that changes
};

/// A version's checkpoint. The next one is made beside it, and takes its place when it sleeps.
struct Checkpoint {
  Sleeper sleepers[2];
  std::atomic<uint32_t> current;  ///< which of them counts
  uint64_t made_tsc;
  uint64_t cost_ticks;   ///< how long the process stood still for it
  uint64_t total_ticks;  ///< … all of them
  uint32_t count;
  uint32_t refusal;  ///< enum CheckpointRefusal of the last attempt
  MemoryHolder memory_holder;
};

inline Sleeper& current_of(Checkpoint& c) { return c.sleepers[c.current.load() & 1]; }
inline const Sleeper& current_of(const Checkpoint& c) { return c.sleepers[c.current.load() & 1]; }
inline bool is(const Sleeper& s, SleeperState state) {
  return s.state.load(std::memory_order_acquire) == static_cast<uint32_t>(state);
}
inline bool change(Sleeper& s, SleeperState from, SleeperState to) {
  auto expected = static_cast<uint32_t>(from);
  return s.state.compare_exchange_strong(expected, static_cast<uint32_t>(to));
}

/// Why there is no checkpoint.
enum class CheckpointRefusal : uint32_t {
  kNone = 0,
  kSharesMemory = 1,    ///< a copy would change what the others see
  kThreadsRun = 2,      ///< not all threads came to rest
  kNoProcess = 3,       ///< fork failed
  kLogFull = 4,         ///< more was published than the log holds
  kProcessChanged = 5,  ///< a thread or a child process came or went since
  kOutOfMemory = 6,     ///< the kernel has killed it for want of memory
  kHeldOpen = 7,        ///< the leader that failed did not let go of its descriptors
  kAdopted = 8,         ///< a process of the program adopts orphans: it would hear of the copy
  kNotTogether = 9,     ///< of those that share memory not all came to rest
  kTooMuchShared = 10,  ///< more memory is shared, or in more pieces, than is copied
  kMappedFile = 11,     ///< a file without a name was mapped since: a copy could not do that again
};

enum class RecoveryStage : uint32_t {
  kNone = 0,
  kAsked = 1,         ///< a version failed and its checkpoint sleeps: the log is kept
  kReplaying = 2,     ///< the copy was woken
  kAtCrash = 3,       ///< its thread `tid` stands at the end of the last call before the crash
  kOver = 4,          ///< … goes on, with the other version's code if that was needed
  kAtDivergence = 5,  ///< stands at the end of the first call after the crash
  kBack = 6,          ///< … goes on with its own code
};

enum class WitnessState : uint32_t {
  kNone = 0,
  kWanted = 1,  ///< by the monitor, before it wakes the checkpoint
  kAsleep = 2,
  kWoken = 3,  ///< only by `mx replay`, in another process with the same memory
  kVoid = 4,   ///< its memory has been saved, or it could not be made: it ends
};

/// A copy of the checkpoint that was woken after a crash. It sleeps until its memory has been saved
/// for `mx replay`, while the checkpoint itself catches up.
struct Witness {
  std::atomic<uint32_t> state;  ///< futex: enum WitnessState
  std::atomic<int32_t> pid;     ///< real
};

inline bool change(Witness& w, WitnessState from, WitnessState to) {
  auto expected = static_cast<uint32_t>(from);
  return w.state.compare_exchange_strong(expected, static_cast<uint32_t>(to));
}

struct Recovery {
  std::atomic<uint32_t> stage;  ///< futex: enum RecoveryStage
  uint32_t version;             ///< of the copy
  uint32_t
      lane;  ///< + 1: of the thread that crashed; 0: it was killed, there is nothing to carry over
  int32_t tid;   ///< who stands
  uint32_t led;  ///< it was the leader: its process stands for the program's id from now on
  uint64_t crash_position;  ///< in that lane: where the ways of the versions parted
  /// … from here on the survivor has published; in between: what the failed leader still did
  uint64_t crash_end;
  uint64_t started_tsc;
  Witness witness;
};

}  // namespace mx::stream
