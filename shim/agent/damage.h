// A version that fails may have written over the arena before. What is read there is not believed
// where it cannot be true; docs/failover.md says what is promised.
#pragma once
#include "shim/agent/lane.h"

namespace mx::agent {

/// More than any producer is ahead of its consumer.
inline constexpr uint64_t kMostUnread = stream::kLog + 2 * stream::kLag;

/// An event that a leader may have published.
bool plausible(const EventHeader& h);

/// Follower: the leader's events make no sense. Waits for the leader to fail, and takes over from
/// the last good one. Does not return if it goes on: then this version cannot follow it.
void outlive_damage(Thread* t);

/// The pair's words are none that mx writes: they say nothing about who leads.
bool pair_damaged(const Process* p);

}  // namespace mx::agent
