// What was published on a lane is kept for checkpoints: the last 2 MiB in the ring, which both
// versions map, and what is older, as long as a checkpoint may need it, in a part of the arena's
// file that nobody maps (`Lane::logged` says where the one ends and the other begins). The producer
// moves it there by pwrite(2) before it writes over it: in a virtual machine a page of a mapping
// costs 10 to 20 µs at its first touch, in each process, and by pwrite 1.5.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// A file size limit of the program counts for the arena's file too, and its signal: nothing is
/// written into what nobody maps.
bool file_size_is_limited();

// --- producer --------------------------------------------------------------------------------

/// The position up to which it may write: what the consumer lags, and what checkpoints hold, is
/// bounded.
uint64_t log_end(Thread* t);
/// How much of that there must be before it goes on, if it has to wait for `n` bytes: not one event
/// at a time while a version catches up.
uint64_t room_wanted(const Process* p, uint64_t n);
/// `n` bytes are wanted beyond log_end(). True if a checkpoint, or a recovery, was given up for
/// that.
bool make_room(Thread* t, uint64_t n);
/// Before `n` bytes are written: moves into the log what they, and what follows within a chunk,
/// will write over. Sets t->limit, which log_end() has allowed, back to the end of that. If the log
/// cannot be written there is no checkpoint any more.
void keep_log(Thread* t, uint64_t n);

// --- consumer --------------------------------------------------------------------------------

/// Consumer at `tail`: a producer that waits for space at `head` is to be woken. When a fair part
/// is free: not for each event, and not so late that its clients see it (a follower that has just
/// made a checkpoint is slow for a while).
bool may_go_on(const Process* p, const Lane* l, uint64_t head, uint64_t tail);

/// Bytes that are in the ring: not more than kLag behind what the producer may write.
void read_ring(uint32_t lane, uint64_t at, void* to, uint64_t n);
/// Bytes that are in the log or in the ring, of any lane. False: they cannot be read.
bool read_log(uint32_t lane, uint64_t at, void* to, uint64_t n);
/// The same of the thread's own lane, by way of its window: for a copy that catches up. It leaves
/// as a follower if the log cannot be read.
void read_log(Thread* t, uint64_t at, void* to, uint64_t n);

}  // namespace mx::agent
