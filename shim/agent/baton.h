// One thread of a process at a time runs the program's code (--threads serial): the one that has
// the baton. It keeps it until it waits in the kernel, so what it does to the memory that threads
// share is whole to the others, whether they use locks, atomics or nothing; and who runs after whom
// is in the order of events. That is what a runtime needs whose threads decide by memory who does
// what (node, Go, JVMs, ruby), which the order of locks (locks.h) does not tell.
//
// Leader:    gives the baton away before it waits in the kernel, publishes what came of that at
// once,
//            without a place in the order, and when it has the baton again, that it runs (kWoken).
//            Waits for a futex are such events, too.
// Follower:  a thread that has consumed an event has its turn until it comes to the next one for
//            which it waits: the turn is passed then, not before.
//
// A thread that computes for long holds up the others for a second at most: then one of them breaks
// in, and says so (kBrokeIn), so that the follower's does the same. Where it did is chance.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// The `nr` of kLock events that are no functions (sites/lock_entries.h).
enum BatonEvent : uint16_t {
  kWoken = 1000,  ///< the wait for a futex is over, with `result`; or a thread begins
  kBrokeIn,       ///< another one still ran, `result` milliseconds after this one was ready to
};

/// Whether threads run one at a time in this process.
bool is_serial(const Thread* t);
/// Before the thread waits, in the kernel or for an event: others may run.
void pass_baton(Thread* t);
/// Leader: the thread is about to run again. Waits until it may; not if its process fails meanwhile
/// (what came of its call is published all the same). `rests`: the caller understands the result
/// true: the thread is in a copy, which follows.
bool take_baton(Thread* t, bool rests);
/// Leader, before it makes a call that is an event: others that have waited for a while run first.
/// (The follower's thread waits for that event, so it need not be told.) Return value as
/// take_baton(t, true).
bool share_baton(Thread* t);
/// Leader, when it has published what came of a call in which it waited: as take_baton(), which is
/// an event of its own here. (What the kernel has done is told at once, see docs/failover.md.)
void run_again(Call& c);
/// Follower: waits for that event.
void await_baton(Call& c);
/// Leader, before a call that may wait: whether the kernel says that this one will not.
bool has_room_to_write(const Call& c);
/// Follower: has consumed an event whose turn it passes later.
void owe_turn(Thread* t, uint64_t order);
/// Follower: whether one of its threads runs the program's code with a turn that others wait for.
bool turn_is_owed(const Thread* t);
/// The calling thread runs in a process that is its own.
void begin_baton(Thread* t);

/// A wait for a futex that is an event.
inline constexpr int kFutexWaitCall = 455;  // futex_wait(2), not in the headers of Debian 12
bool waits_in_turn(const Call& c);
/// futex(2) and its kin.
long run_futex(Call& c);
long run_sched_yield(Call& c);
/// A thread that begins waits for its turn.
void begin_in_turn(Thread* t, Regs* r);
/// A thread is about to end: clears the word by which others see that, before they may look.
void clear_tid_in_turn(Thread* t);

}  // namespace mx::agent
