// The agent's end of a lane: a byte stream with one producer and one consumer. Positions count
// bytes since the lane was opened; the ring index is the position modulo its size.
//
// Wake-ups are dear (tens of microseconds on a VM), so the producer wakes a sleeping consumer only
// when the lane is half full, when events have waited for kWakeTicks, or when it is about to block.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

// --- producer -------------------------------------------------------------------------------

/// Makes room for an event of `n` bytes in all, at its start. From then on the consumer sees the
/// event as a whole, or at least its first 64 KiB: what it peeks at is there. Return value as
/// lane_put.
bool lane_begin(Thread* t, uint64_t n);
/// Appends bytes (any length); waits for space if needed. Returns false if the follower was dropped
/// meanwhile (the caller then goes on alone; what was put is void).
bool lane_put(Thread* t, const void* bytes, uint64_t n);
bool lane_pad(Thread* t, uint64_t n);
/// Makes everything put so far visible to the consumer; wakes it according to the policy.
void lane_commit(Thread* t);
/// Takes back everything put since the last commit.
void lane_rewind(Thread* t);
/// Wakes the consumer if it sleeps and has something to read.
void lane_flush(Thread* t);
/// True if the consumer sleeps and has something to read: whoever blocks now has to wake it
/// (lane_flush).
bool consumer_behind(const Thread* t);
/// Waits until the consumer has consumed all and, if `verdict`, has written one. Returns it
/// (kFollowerDropped if the follower does not answer within the hang timeout).
Verdict lane_rendezvous(Thread* t, bool verdict);

// --- consumer -------------------------------------------------------------------------------

enum class Wait : uint8_t {
  kReady,       ///< bytes are there
  kLeaderGone,  ///< no more will come: the leader failed, is gone or hangs; all was consumed
  kDropped,     ///< this follower was dropped: it must end
};

/// Waits until `n` bytes beyond the cursor are there.
Wait lane_wait(Thread* t, uint64_t n);
/// The same, or until all is consumed and the leader stands in its next call, where it may wait for
/// long: `in_call`.
Wait lane_wait_or_call(Thread* t, uint64_t n, bool& in_call);
/// As lane_wait(), or until the leader's process has ended, if it has threads: `end`.
Wait lane_wait_or_end(Thread* t, uint64_t n, bool& end);
/// True when `n` bytes beyond the cursor are there; of a process with one thread, waits for them
/// while the leader seems to be on its way to them: not in a call where it may wait for long, and
/// for 0.2 s at most. Of events behind the next one, to tell what that one is.
bool lane_more(Thread* t, uint64_t n);
/// Copies bytes at the cursor + offset without consuming them; they must be there.
void lane_peek(Thread* t, uint64_t offset, void* to, uint64_t n);
/// Copies out and consumes; waits for parts still being written. False: the leader died in between.
bool lane_get(Thread* t, void* to, uint64_t n);
bool lane_skip(Thread* t, uint64_t n);
/// Tells the producer what has been consumed; wakes it if it waits for space or a rendezvous.
void lane_release(Thread* t);

// --- both -----------------------------------------------------------------------------------

/// Futex on a word in the arena. Returns the kernel's result.
long futex_wait(Word* w, uint32_t value, int64_t timeout_ms);
long futex_wake(Word* w, int count);

}  // namespace mx::agent
