// Files that several processes of a version have mapped (shared_maps.h): they have one shadow, also
// if none of them has inherited it, and checkpoints together. The table is in the arena, one a
// version. Any thread.
#pragma once
#include "shim/agent/shared_maps.h"

namespace mx::agent {

/// This process has mapped the file; `memfd` is its shadow (-1: none, it leads). Who has the same,
/// and this process then, shares memory (share_memory()).
void announce_mapped(Thread* t, const FileId& file, int memfd);
/// All that this process has: it is a new one, or another one than it was.
void announce_all_mapped(Thread* t);
/// What it has mapped no more is taken out.
void retract_unmapped(const Thread* t);
/// Nothing is mapped: a new image.
void retract_all_mapped(const Thread* t);

/// This process takes over: whether it is the first of those that have the file, and is to write
/// the shadow into it. (The others have led until then, and have written to the file itself.)
bool writes_back(const Thread* t, const FileId& file);

/// Follower: the shadow that another process of this version has, on a high descriptor of this
/// one's own; or an error.
long fetch_shadow(const Thread* t, const FileId& file);
/// What is open as `fd` in process `pid`, if it is the memfd `expected`.
long open_memfd_of(int32_t pid, int fd, const FileId& expected);

}  // namespace mx::agent
