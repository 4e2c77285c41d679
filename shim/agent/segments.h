// System V shared memory: the ids are the leader's, each version's segments are its own. What is
// attached is copied with a checkpoint as other memory that processes share (joint.h); a copy has
// its own memory in place of the segment.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

long run_shmget(Call& c);
/// Its event, consumed: other processes of this version find the segment once it is past.
void note_segment(Call& c);
long run_shmat(Call& c);
long run_shmdt(Call& c);
long run_shmctl(Call& c);
void prepare_shmctl(Call& c);

/// Whether this process has one attached.
bool has_segments();

/// In a copy that is about to sleep: other memory is in the place of the segment `own` (this
/// version's id) at `address`, and detaching is unmapping.
void replace_segment(int32_t own, uint64_t address);

/// The copy has been woken. If that is in a segment's place, from now on no process of this version
/// gets the segment from the kernel, but what stands at `place` in the arena's file.
void note_replaced_segment(const Thread* t, uint64_t address, uint64_t size, uint64_t place);

/// The program has unmapped that, by another call than shmdt(2).
void forget_segments(uint64_t address, uint64_t length);

}  // namespace mx::agent
