// The order in which the threads of a process get their locks. In a process with several threads
// the entries of libc's lock functions (sites/lock_entries.h) are rewritten, as system-call sites
// are.
//
// Leader:    the function runs; when it has returned, a kLock event with its result takes its place
// in
//            the order of events, while the lock is held.
// Follower:  waits for that event and its turn, then takes the lock, then passes the turn. A lock
// that
//            the leader failed to get is not tried. A condition is not waited for: the mutex is
//            given back until the leader's thread has returned.
//
// So threads get each lock in the same order in both versions, whoever the kernel runs first. A
// version that does without a lock, or has one more, is no divergence: its event is skipped, or it
// is taken in no particular order.
#pragma once
#include "shim/agent/code_map.h"
#include "shim/agent/hooked_call.h"

namespace mx::agent {

/// Rewrites the entries of the lock functions in a region whose pages are writable.
void hook_entries(const sites::SiteTable& table, const CodeRegion& region);
/// What was known of code at [begin, end) is void.
void forget_entries(uint64_t begin, uint64_t end);

/// Whether a door was entered by a step of a lock function, not by a system call.
bool is_lock_step(const Regs* r);
/// A thread of a leader waits inside the real pthread_cond_wait. In a copy, which follows, it waits
/// for its event instead: told that its time is over (ETIMEDOUT), libc takes it out of the
/// condition, also if it waits without a limit (glibc: nptl/pthread_cond_wait.c; musl:
/// pthread_cond_timedwait.c), and what hooks the function does the rest. Whether the futex(2) call
/// `op` of this thread is to be answered so; once only: what follows is the mutex.
bool leaves_condition(Thread* t, uint64_t word, uint64_t op);
/// Waits for the leader's event of a lock function, or of another step in the order (`nr`), and its
/// turn: then it is in Thread::lock_event. What may be passed over before it is.
Plan await_lock(Thread* t, Regs* r, uint16_t nr);
/// … it is consumed.
void pass_lock(Thread* t);
/// Serves the step.
void lock_step(Thread* t, Regs* r);

}  // namespace mx::agent
