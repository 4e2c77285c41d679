// Files that the processes which have a checkpoint together (joint.h) have mapped: what each holds
// is copied once, into a memfd, which all of them open while they stand still, and their copies
// then: it is the shadow (shadow.h) of all that come back. A program sees none of these
// descriptors: they are closed before it goes on.
#pragma once
#include "shim/agent/maps_line.h"
#include "shim/agent/shared_maps.h"
#include "shim/stream/joint.h"

namespace mx::agent {

/// All come to rest: the files that a line of the list of this process's mappings shows.
stream::CheckpointRefusal note_files(Thread* t, stream::Joint& j, const MapsLine& m);
/// All rest: copies those of which this process was the first to speak. False: no room, no memory.
bool copy_files(Thread* t, stream::Joint& j);
/// All are copied: opens those that this process has mapped. False: another one's could not be
/// opened.
bool take_files(const stream::Joint& j);
/// All have them: closes what copy_files() made for others.
void leave_copies();
/// This process's copy has them, or there is none: closes them.
void leave_files();

/// In the copy: the memfd that stands for the file, on a high descriptor; or an error: it is not
/// among them.
long open_copied_file(const Thread* t, const FileId& file);
/// In the copy: it has what it needs. `inherited`: the descriptors are in its own table, too.
void forget_files(bool inherited);

}  // namespace mx::agent
