// The order in which processes get locks that stand in memory they share (semaphores of python's
// multiprocessing, mutexes with PTHREAD_PROCESS_SHARED). Each version has such memory for itself;
// without an order a process of the follower may get a lock that its leader does not have, and
// wait, with the lock, for what its leader will do after another process: in full lockstep for
// ever.
//
// The leader's process takes a ticket when it has the lock; it travels in the lock's event
// (locks.h). The follower's waits until those before it have had the lock. A process that has taken
// over does, too: others of its version may not have caught up with theirs. A ticket may be lost
// (its process was killed, or has lost its follower): nobody waits for long.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// The program has mapped memory that other processes may have, too: the entries of lock functions
/// are hooked, as before a process gets its second thread.
void note_shared_memory(Thread* t, uint64_t address, uint64_t length);
/// Whether [address, …) was mapped so.
bool in_shared_memory(uint64_t address);
/// Whether there is any.
bool has_shared_memory();

/// Leader, with or without a follower, that is to get the lock at `address`: whether others of its
/// version have yet to have it whose leaders had it before.
bool others_come_first(Thread* t, uint64_t address);
/// Waits for them. Does not return if this version stops leading.
void await_others(Thread* t, uint64_t address);
/// Leader that has got the lock at `address`: its ticket, for EventHeader::digest; 0: none.
uint64_t shared_ticket(Thread* t, uint64_t address);
/// Follower, before it takes the lock: waits for those before it. Does nothing if the event has no
/// ticket.
void await_shared_turn(Thread* t, const EventHeader& h);
/// The lock is held, or will not be: who is next?
void pass_shared_turn(Thread* t, const EventHeader& h);

/// While all that share the memory rest for a checkpoint: where they are, for copies that follow
/// from there (Joint::lock_number).
void note_lock_numbers(const Thread* t, uint32_t slot);
/// In such a copy: those that have gone back together have an order of their own.
void begin_lock_epoch(const Thread* t);

}  // namespace mx::agent
