// Files that the program maps shared and writable: the follower must not write into the leader's file, nor
// see what the leader writes later. It maps a shadow: a memfd with the file's size and contents, one for
// each file, inherited by its children. What it is told of the file afterwards (ftruncate, pwrite through
// the same descriptor) is done to the shadow too.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// Follower: maps the shadow of the file `fd` (this version's own copy of the descriptor) as the call asks.
long map_shadow(Call& c, int fd);
/// Follower: [address, address+length) is not mapped any more.
void forget_mapping(uint64_t address, uint64_t length);
/// A version takes over: contents go into the real files, which are mapped instead.
void remap_shared(Thread* t);
/// Follower: a number means another file from now on.
void forget_shadow_fd(int fd);

long run_munmap(Call& c);
void localise_shadowed(Call& c);  ///< ftruncate, pwrite64

}  // namespace mx::agent
