// Waits for events or for time: how many of them a thread makes, and for what, may depend on what
// it has read in memory without a lock (`if (pending) { lock; … } poll(…)`). One that found
// nothing, in one version, may be none in the other.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// poll, select, epoll_wait, nanosleep and their like.
bool is_wait(long nr);
/// The leader waited and nothing came (or, in full
/// lockstep, is about to sleep): a follower may lack it.
bool is_empty_wait(const EventHeader& h);

/// Follower, in a process with threads: it is about to wait where its leader has gone on (`h`, the
/// next event, whose turn it is), or waits for more. True: nothing is to come of this wait, see
/// nothing_came(); the thread looks again, and other threads have had a moment to write what it is
/// to see. False: that has been tried often enough.
bool waits_too_early(Call& c, const EventHeader& h);
/// The same for any wait that may end for nothing;
/// `lock`: the leader's next event is that of a lock.
bool worth_another_look(Thread* t, bool lock);
/// Answers a wait: its time is over, or, if it has no limit, it was interrupted.
long nothing_came(Call& c);

}  // namespace mx::agent
