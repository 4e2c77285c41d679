// Descriptors of a copy of this process (checkpoint.h).
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// "/proc/PID/fd/FD".
void path_of_number(int32_t pid, int fd, char (&path)[48]);
/// How a descriptor is open: fcntl(2)'s flags of it and of the file, the offset or an error.
struct OpenAs {
  int fd;
  uint32_t cloexec;
  uint64_t flags;
  long offset;
};
/// False: it is not open.
bool describe(int fd, OpenAs& as);
/// Opens `path` at that number, flags and offset. False: it cannot be opened.
bool open_anew(const char* path, const OpenAs& as);
/// Whether this version has opened regular files of its own: a copy shares their offsets at first.
bool has_private_files(Thread* t);
/// In the copy of process `original`: opens this version's own files anew, at the same numbers and
/// offsets. The copy of a leader shares the original's table of descriptors until then, and leaves
/// it here: there is no moment in which it holds a socket that the leader closes (epoll would
/// report it for as long). False: a file could not be opened.
bool own_descriptors(Thread* t, int32_t original);

}  // namespace mx::agent
