// Aligning the follower's sequence of calls with the leader's.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// Free of side effects and of new descriptors: one version may do it more or less often.
bool harmless(const sys::Desc& d);

/// An event that the follower may lack, whatever it is about to do (queries, private opens, locks).
bool passing(const EventHeader& h);
/// An event that may be skipped in search of the one that matches.
bool may_skip(const EventHeader& h);

/// Follower: waits for the next event of this thread and reads its header; it is not consumed, and its turn
/// (await_turn) may be to come. False: there is none, this version leads now. A dropped follower ends here.
bool next_event(Thread* t, EventHeader& h);
/// Consumes the event at the cursor whole, whatever it is.
void skip_event(Thread* t, const EventHeader& h);

/// Follower: query answered from the leader's events, or from the last answer of that kind.
long follow_query(Call& c);

}  // namespace mx::agent
