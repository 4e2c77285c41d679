// By which name a file that the leader maps can be opened once more. A copy of a process that
// catches up comes to the mapping long after the leader has closed the file (apache maps each page
// that it serves).
#pragma once
#include "shim/agent/call.h"
#include "shim/agent/paths.h"

namespace mx::agent {

/// As it travels with the event; `path` only as far as it goes, with its NUL.
struct NamedFile {
  uint64_t device, inode;
  uint64_t access;  ///< O_RDONLY, O_WRONLY or O_RDWR
  Path path;
};

/// Of an open descriptor of this process. Returns the bytes to travel; 0: it has no name any more,
/// or is no regular file.
uint32_t name_file(int fd, NamedFile& to);
/// Follower: reads what the event of call `h` at the cursor tells; false: nothing.
bool peek_named_file(Thread* t, const EventHeader& h, NamedFile& to);
/// Follower: the same file (device and inode) once more: from the leader, whose descriptor was
/// `fd`, if it still has it; else by name, on this version's root or on the leader's. Returns a
/// descriptor, or an error.
long open_once_more(Thread* t, int fd, const NamedFile& file);

}  // namespace mx::agent
