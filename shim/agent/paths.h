// File names, without any descriptor being opened: numbers of descriptors are the program's.
#pragma once
#include <cstddef>

namespace mx::agent {

struct Path {
  char text[1024];
};

/// Lexical normalisation of an absolute path: no "//",
/// "/./", "/../". False: too long, or not absolute.
bool normalise(const char* from, Path& to);
/// The name of an open descriptor of this process, by /proc: its length, or an error. Cut off if it
/// does not fit.
long path_of_descriptor(int fd, char* to, size_t size);
/// Cuts the last component off; false at "/".
bool parent_of(Path& path);
/// The name as an absolute one, normalised lexically; dirfd
/// as in openat(2), and a descriptor of this process.
bool absolute_path(int dirfd, const char* text, Path& to);
/// The same with links followed as the kernel follows them, as far as the name exists; `nofollow`:
/// not the last.
bool real_path(int dirfd, const char* text, bool nofollow, Path& to);

}  // namespace mx::agent
