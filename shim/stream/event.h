// One event in a lane: a header, then `size` bytes of payload. See README.md for the payload of
// each kind. All parts are padded to 8 bytes.
#pragma once
#include <cstdint>

namespace mx::stream {

enum class EventKind : uint8_t {
  kCall = 1,    ///< a completed system call: args, digest, then the bytes it returned
  kIntent = 2,  ///< full lockstep: the leader is about to execute this call and waits for agreement
  kSignal = 3,  ///< a signal is delivered to the program here
  kFault = 4,   ///< the leader's program faulted here and waits for the verdict
  kExit = 5,    ///< exit_group: the leader's process ends (and, non-zero, waits for the verdict)
  kTermSignal = 6,  ///< the leader's process dies of this signal by default action
  kExec = 7,   ///< execve succeeded: the next event comes from the new program; an Image (arena.h)
  kQuery = 8,  ///< a call without side effect; may be skipped or repeated by the follower
  kPrivateOpen = 9,  ///< the leader opened a file of its own image at the number in `result`
  kLock = 11,        ///< this thread got a lock, or failed to: `nr` says by which function
               ///< (sites/lock_entries.h), `digest` holds errno. May be missing or left over in the
               ///< follower. Or it runs again: BatonEvent in agent/baton.h.
  /// what a hooked function made (sites/lock_entries.h): the bytes, at most 512 an event, and its
  /// result; with `nr` 1 the time-stamp counter. May be missing or left over in the follower.
  kRandom = 12,
  kThreadExit = 10,  ///< this thread ends (exit(2) while others go on)
  /// this thread has begun a call that may wait, and on which another one may act before it
  /// returns: all that stands behind in the order may have seen it
  kBegun = 13,
};

inline constexpr EventKind kLastKind = EventKind::kBegun;

enum EventFlags : uint8_t {
  kOrdered = 1,      ///< `order` is valid: the process had more than one thread
  kSync = 2,         ///< the leader waits until the follower has consumed this event
  kInterrupted = 4,  ///< kSignal: the interrupted call returns EINTR after the handler
  kRegular = 4,      ///< kCall: on a descriptor of a regular file or folder
  kRestart = 8,      ///< kSignal: the interrupted call is executed again after the handler
  kPrivate = 16,     ///< kCall: the descriptor in `result` is private, each version opens its own
  kAsync = 32,       ///< kSignal: delivered between two calls, at no particular point
  kWhole = 128,      ///< kCall: everything that was handed over has been written
  kSignalFollows = 64,  ///< the next event is a kSignal that belongs to the end of this one
};

struct EventHeader {
  uint32_t size;  ///< bytes of payload that follow, without padding
  uint16_t nr;    ///< system call number, or signal number
  EventKind kind;
  uint8_t flags;
  int64_t result;
  uint64_t order;   ///< position among all events of the process (if kOrdered)
  uint64_t digest;  ///< of all bytes that the program handed to the kernel in this call
};
static_assert(sizeof(EventHeader) == 32);

constexpr uint64_t padded(uint64_t n) { return (n + 7) & ~uint64_t{7}; }

}  // namespace mx::stream
