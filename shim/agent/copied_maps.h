// What a copy of this process (checkpoint.h) has mapped together with the process that it is a copy
// of: the kernel has no copy-on-write for such memory. The copy makes its own of it before it falls
// asleep, while that process still waits for it; when it is woken it follows. (Memory that is
// inherited by fork only is another matter: joint.h.)
#pragma once
#include "shim/agent/maps_line.h"
#include "shim/agent/shared_maps.h"
#include "shim/stream/recovery.h"

namespace mx::agent {

/// Whether there is such memory: files mapped shared and writable, or of memfd_create(2).
bool maps_memory_of_its_own(Thread* t);
/// Whether another process has the same: a child from before its execve, a parent.
bool shares_maps(Thread* t);

/// What its children are to have as Process::maps_from.
uint32_t family_of_maps(Thread* t);

/// What a line of the list of mappings shows of the program's shared mapping `of`.
struct Part {
  uint64_t begin, end;
};
/// False: nothing.
bool overlap(const MapsLine& m, const SharedMap& of, Part& part);
/// Opens the file that this process has mapped shared where a line of the list of its mappings
/// shows `m`. An error: it cannot be opened.
long open_mapped(const Thread* t, const MapsLine& m, const FileId& file);

/// In the copy, whose descriptors are its own: in place of each file a shadow (shadow.h) with what
/// that holds now, of each memfd another one. `together`: with other processes (joint_files.h).
/// kNone, or why not.
stream::CheckpointRefusal own_maps(Thread* t, bool together);

}  // namespace mx::agent
