// Checkpoints of processes that share memory (docs/recovery.md). The monitor asks all of them
// (monitor/joint_checkpoints.h); each comes to rest, at the start of a call or where it waits; when
// all do, the shared memory is copied into the arena's file, and each makes its checkpoint. A copy
// that is woken maps that instead: it is the memory of all that come back, and goes on as such.
#pragma once
#include "shim/agent/checkpoint.h"

namespace mx::agent {

/// A thread has been asked to look up, at the start of a call that will be published or at rest.
/// True in the copy, when it was woken.
bool joined(Thread* t);

/// In the copy that is about to sleep: it lets go of System V segments, for the kernel tells the
/// program how many have them. False: it could not.
bool replace_segments(const stream::Sleeper& s);

/// In the copy that has been woken: the memory that it shared is the one of its checkpoint.
void map_shared_copies(Thread* t, const stream::Sleeper& s);

}  // namespace mx::agent
