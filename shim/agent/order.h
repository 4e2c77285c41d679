// The order of events between the threads of one process: a ticket taken when an event is
// published, and respected by the follower's threads. Free for a process with one thread.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// Leader: stamps the event if the process has more than one thread. Not for queries and private
/// opens: a follower may leave those unread until its next call, and nobody may wait for that.
void take_order(Thread* t, EventHeader& h);
/// Leader, before it creates a thread: reserves the place of the clone event, so that nothing the
/// new thread does can stand before it (the follower has no such thread until it has seen the
/// event).
void take_ticket(Thread* t);
/// Follower: waits until all earlier events of the process were consumed (or the leader is gone).
void await_turn(Thread* t, const EventHeader& h);
/// Follower: whether await_turn() would not wait.
bool has_turn(const Thread* t, const EventHeader& h);
/// Follower: all other threads of the process wait, and whose turn it is does not take it: this
/// one, or one that waits for another by a futex.
bool all_stand_still(Thread* t);
/// Follower, one thread at a time (baton.h): the leader's thread has let another one run after the
/// last event that this one has consumed, which will be the next to have its turn.
bool another_follows(Thread* t);
/// What stands before `order` is consumed, or will never come.
void pass_turns_before(Process* p, uint64_t order);
/// Whether the lane's thread has an event to read that stands before `order` (~0: any event).
bool unread_before(Thread* t, Lane& l, uint64_t order);
/// Whether all that is there to read are kQuery events (looks at few).
bool only_queries_unread(Lane& l);
/// Follower: this event is consumed.
void pass_turn(Thread* t, const EventHeader& h);

}  // namespace mx::agent
