// Record locks (fcntl F_SETLK) when a version takes over. The kernel keeps them for a table of
// descriptors: the one that the keeper shares with a killed leader, or the husk's. They must not be
// free for a moment, or who waits for one gets it:
//   1. the survivor finds them (F_GETLK tells what keeps it out) and asks the other side to weaken
//   them;
//   2. the other side makes its write locks read locks;
//   3. the survivor takes read locks at the same places: still nobody else can write;
//   4. the other side lets go of its descriptors, and so of its locks;
//   5. the survivor makes its own write locks again.
// Between 2 and 5 a process that waits for a read lock may get it; then, and where the descriptor
// is for writing only, step 5 may find another owner: the report says so.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// Any version: the program has set or removed record locks on `fd`.
void note_record_lock(Thread* t, int fd);

/// Survivor: steps 1 to 3. Returns the number of locks.
uint32_t share_record_locks(Thread* t);
/// Survivor: step 5, when the other side has let go.
void own_record_locks(Thread* t, uint32_t locks);

/// Husk or keeper: step 2, of the locks that the survivor has noted.
void weaken_locks(Process* p);

}  // namespace mx::agent
