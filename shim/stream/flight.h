// The system call that a leader's thread has in flight: what the survivor of a SIGKILL needs to
// find out whether the kernel has executed it, and with what result. See docs/failover.md.
//
// The leader stores all of it without fences: on x86-64 stores become visible in program order, and
// a process that is dead when its memory is read has made them all.
#pragma once
#include <atomic>
#include <cstdint>

namespace mx::stream {

enum class FlightPhase : uint32_t {
  kNone = 0,
  kBegun = 1,  ///< the kernel may or may not have executed it
  kDone = 2,   ///< `result` is the kernel's
};

/// Where the kernel puts the results of the call, if not into the program's memory.
enum class StageShape : uint32_t {
  kNone = 0,
  kBytes = 1,     ///< Staging::data
  kReceived = 2,  ///< Staging::vector is a vector of `messages` struct mmsghdr to receive into
  kSent = 3,      ///< … to send
  kEvents = 4,    ///< Staging::events; the first with `events` 0 ends them
};

/// Directions of the kernel's per-task byte counters (/proc/PID/io: rchar, wchar).
inline constexpr int kRead = 0, kWritten = 1;

struct Flight {
  std::atomic<uint32_t> phase;  ///< enum FlightPhase
  uint32_t nr;                  ///< the program's call
  /// where in the lane its event will begin: in flight while nothing was published there
  uint64_t head;
  int64_t fd;  ///< its first descriptor, -1: none
  int64_t result;
  uint64_t count;   ///< bytes asked for, if it moves bytes
  uint64_t io[2];   ///< Lane::io when it began
  uint64_t ticket;  ///< of a close in a process with threads: its place in the order of events, + 1
  uint64_t
      note;  ///< what the leader saw before it: an inode, a position (by call, see agent/settle)
  uint64_t moved[2];  ///< written by the survivor: bytes that the kernel moved and nobody published
  uint64_t carried;   ///< bytes of a write that had gone when its thread was stopped, see
                      ///< agent/remainder.h
  std::atomic<uint32_t> shape;  ///< enum StageShape
  uint32_t messages;
  int32_t child;  ///< written by the kernel when it has made a child process
  uint32_t born_process, born_lane;
};

/// One a lane. Results arrive here and are copied to the program: so they outlive it.
inline constexpr uint64_t kStageBytes = 64 * 1024;
inline constexpr uint64_t kStageEvents = 1024;
struct Staging {
  uint8_t vector[4096];  ///< headers: struct mmsghdr, struct iovec, names, control data
  uint8_t data[kStageBytes];
  uint8_t events[kStageEvents * 12];  ///< struct epoll_event; all zero while no wait is in flight
};
/// Length of a message that the kernel has not received or sent (struct mmsghdr::msg_len).
inline constexpr uint32_t kNoMessage = ~0u;
/// First word of Staging::data before the kernel writes there: tells whether it has.
inline constexpr uint64_t kUntouched = 0x9d5c'11e7'a3f0'846bULL;

/// What the kernel says of a process that was killed: see Process::last_words.
struct LastWords {
  std::atomic<uint32_t> known;
  uint32_t first_known;
  uint64_t io[2];        ///< bytes its threads read and wrote in all
  uint64_t first_io[2];  ///< … the first of them; the others are gone with their counts
  uint64_t pending;      ///< signals it never took
};

}  // namespace mx::stream
