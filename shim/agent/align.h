// Aligning the follower's sequence of calls with the leader's.
#pragma once
#include "shim/agent/call.h"
#include "shim/agent/looks.h"

namespace mx::agent {

/// Free of side effects and of new descriptors: one version may do it more or less often.
bool harmless(const sys::Desc& d);

/// Likewise, but it depends on the request, the second argument: what libcs do for themselves
/// (musl's stdio asks for a terminal's size, glibc's for its settings; musl's open sets
/// close-on-exec once more, its fork has masks of its own).
bool own_affair(uint64_t nr, uint64_t request);

/// pthread_kill and pthread_cancel: whether they send a signal to a thread that is about to end is
/// decided under a lock of libc's own, which such a thread takes, too. What comes of it in the
/// leader is told where the thread takes it.
bool signals_thread(const Thread* t, uint64_t nr, uint64_t process, uint64_t thread);

/// Of the leader's event `offset` bytes behind the cursor: a write by which threads wake each
/// other, see wakes_itself(). The follower may lack it.
bool is_leaders_wake(Thread* t, uint64_t offset, const EventHeader& h);

/// An event that the follower may lack, whatever it is about to do (queries, private opens, locks,
/// …).
bool passing(const EventHeader& h);
/// An event that may be skipped in search of the one that matches.
bool may_skip(const EventHeader& h);
/// Of the event `offset` bytes behind the cursor: the same, or the leader's own affair, or
/// something that it alone looks at
/// (`way`: of the events before, which are to be skipped, too).
bool may_pass(Thread* t, uint64_t offset, const EventHeader& h, OnTheWay& way);
/// Of the next event.
bool may_pass(Thread* t, const EventHeader& h);

/// Follower: waits for the next event of this thread and reads its header; it is not consumed, and
/// its turn (await_turn) may be to come. False: there is none, this version leads now. A dropped
/// follower ends here.
bool next_event(Thread* t, EventHeader& h);
/// The same; `end`: there is none, and the leader's process, which has threads, has ended.
bool next_event_or_end(Thread* t, EventHeader& h, bool& end);
/// Consumes the event at the cursor whole, whatever it is.
void skip_event(Thread* t, const EventHeader& h);

/// Follower: query answered from the leader's events, or from the last answer of that kind.
long follow_query(Call& c);

}  // namespace mx::agent
