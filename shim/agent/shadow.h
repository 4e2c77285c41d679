// Files that the program maps shared and writable: the follower must not write into
// the leader's file, nor see what the leader writes later. It maps a shadow: a memfd
// with the file's size and contents, one for each file, inherited by its children.
// What is done to the file afterwards by calls (write, pwritev, ftruncate…, through
// any descriptor: LMDB writes its file by one that it did not map) is done to the
// shadow, too: such a call's event says to which file it went, and where.
#pragma once
#include "shim/agent/shared_maps.h"

namespace mx::agent {

inline constexpr uint64_t kWholeFile = 64 << 20;  // larger ones are copied where they are mapped

struct Shadow {
  FileId file;
  int memfd;
};
inline constexpr int kMostShadows = 64;
extern Shadow shadows[kMostShadows];
extern int shadow_count;

/// Null: the file has none.
Shadow* find_shadow(const FileId& file);
/// What a shadow is, empty, of `size` bytes: a high descriptor that nothing else has; or an error.
long new_shadow_memfd(uint64_t size);
/// An empty one of `size` bytes; null: no room, no memory.
Shadow* add_shadow(const FileId& file, uint64_t size);
/// `memfd` is one from now on; null (and it is closed): no room.
Shadow* keep_shadow(const FileId& file, long memfd);
/// Copies [begin, end) from one open file to another; its offset in `to` may change.
void copy_range(int from, int to, uint64_t begin, uint64_t end);
/// Follower: of files that are mapped no more. (Another
/// file may get the number of one that is removed.)
void drop_unused_shadows();
/// Follower: whether there is one of the file `fd`.
bool has_shadow(int fd);

/// Follower: maps the shadow of the file `fd` (this
/// version's own copy of the descriptor) as the call asks.
long map_shadow(Call& c, int fd);
/// A version takes over: contents go into the real files, which are mapped instead.
void remap_shared(Thread* t);
/// Leader: the program has mapped (`at`: or an error) the file `fd` shared and may write to it.
/// False: a copy of the process could not have it.
bool note_mapped(const Call& c, int fd, long at);

/// The hooks of calls that write to a file: leader, to say where if the file is mapped; follower,
/// to do the same to the shadow, in turn.
void measure_file_write(Call& c);
long perform_file_write(Call& c);
void write_to_shadow(Call& c);

}  // namespace mx::agent
