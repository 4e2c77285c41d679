// What a program writes to itself.
//
// A pipe that a process both writes and reads may carry what means something in its own memory
// only: libuv (node, named) tells its loop of a signal by a pointer. There is one pipe; the
// leader's bytes are in it, and each version has to read its own.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// Follower: it has written `own` where the leader wrote `leader`, `size` bytes each. Kept if that
/// went into a pipe(2) or a socketpair(2); the last 1,024 that have not been read.
void note_own_words(Call& c, const uint8_t* leader, const uint8_t* own, uint32_t size);
/// Leader, before it makes the call: should it be killed,
/// the survivor has to know what it may have written.
void stage_own_words(const Call& c);
/// Follower: the leader has begun the call, which may wait, and the event is yet to come. A reader
/// may be told before.
void begin_own_words(Call& c);
/// … and has come.
void end_own_words(Call& c);
/// Survivor: a write of its leader's, which nobody told of, has gone: what a reader has not found
/// yet is to be this version's.
void keep_word_in_flight(Call& c);
/// A new pair of descriptors.
void note_pair(int one, int other);
/// A new descriptor of eventfd(2).
void note_counter(int fd);
/// The number is something else's.
void forget_counter(int fd);
/// A new process is about to get copies of all descriptors.
void pairs_are_shared();
/// True if the call is for a descriptor of a pair of which nobody else has an end (this process has
/// both, and they are closed at exec, or it has made no process since): that this version writes
/// something else there is nothing that anybody else sees.
bool talks_to_itself(const Call& c);
/// The same of a write that is shorter than a pointer, or to an eventfd(2), in a process with
/// threads: by that threads wake each other, and whether one has to be woken they may see in
/// memory. One version may do it more often.
bool wakes_itself(const Call& c);
bool wakes_itself(Thread* t, uint64_t nr, uint64_t fd, uint64_t count);
/// After a read from such a descriptor: puts this version's bytes where the result has the
/// leader's. In a survivor too: what the former leader wrote may be in the pipe still.
void read_own_words(Call& c);

}  // namespace mx::agent
