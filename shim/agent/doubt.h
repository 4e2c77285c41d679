// When the versions' sequences of calls part.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// CLOCK_MONOTONIC, in nanoseconds.
int64_t monotonic_ns();
/// The leader says that it faulted, or exits wrongly.
bool failure(const EventHeader& h);

/// A call that brought something from outside.
bool takes_input(const EventHeader& h);

/// A call that waits for several sources: a round of an event loop begins.
bool waits_for_work(const EventHeader& h);
bool waits_for_work(long nr);
/// … or that reads: what a program does next comes from it.
bool begins_work(long nr);
/// A call that takes input, or a connection.
bool reads_or_accepts(long nr);

/// Follower: the leader's event at the cursor is not what this version does. A version that goes
/// astray is often about to fail: it logs, or raises a signal, and aborts. The follower keeps its
/// place for a moment. True: the leader failed, and this version has taken over from this point.
/// False: the leader works on; what it has read since then the follower will never see.
bool leader_fails_soon(Thread* t);

/// The place in the order of events from which on what the leader's threads did is history for this
/// process, which takes over from before; ~0: there is none.
uint64_t history_from();
void forget_history();

}  // namespace mx::agent
