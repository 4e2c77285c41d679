// Files that the program maps shared and writable: the follower must not write into the leader's file, nor
// see what the leader writes later. It maps a shadow: a memfd with the file's size and contents, one for
// each file, inherited by its children. What is done to the file afterwards by calls (write, pwritev, ftruncate…, through
// any descriptor: LMDB writes its file by one that it did not map) is done to the shadow, too: such a call's event says
// to which file it went, and where.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// Follower: maps the shadow of the file `fd` (this version's own copy of the descriptor) as the call asks.
long map_shadow(Call& c, int fd);
/// Follower: [address, address+length) is not mapped any more.
void forget_mapping(uint64_t address, uint64_t length);
/// Follower: the program has changed what it may do with [address, address+length).
void note_protection(uint64_t address, uint64_t length, uint64_t prot);
/// A version takes over: contents go into the real files, which are mapped instead.
void remap_shared(Thread* t);
/// Leader: the program maps the file `fd` shared and may write to it.
void note_mapped(int fd);

long run_munmap(Call& c);
/// The hooks of calls that write to a file: leader, to say where if the file is mapped; follower, to do the same to the
/// shadow, in turn.
void measure_file_write(Call& c);
long perform_file_write(Call& c);
void write_to_shadow(Call& c);

}  // namespace mx::agent
