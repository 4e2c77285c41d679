// A line of /proc/self/maps: proc(5).
#pragma once
#include "shim/agent/line_reader.h"

namespace mx::agent {

struct MapsLine {
  uint64_t begin, end;
  char perms[4];  ///< "rwxp", "rwxs"
  uint64_t offset;
  uint64_t device, inode;  ///< major number from bit 32 on; inode 0: no file
  const char* path;        ///< in the line, "" if there is none
};

/// False: it is none.
inline bool parse(const char* s, MapsLine& m) {
  m.begin = number(s, 16);
  if (*s++ != '-') return false;
  m.end = number(s, 16);
  if (*s++ != ' ' || string_length(s, 5) < 5) return false;
  for (char& perm : m.perms) perm = *s++;
  s++;
  m.offset = number(s, 16), s++;
  const uint64_t major = number(s, 16);
  s++;
  m.device = (major << 32) | number(s, 16), s++;
  m.inode = number(s, 10);
  while (*s == ' ') s++;
  m.path = s;
  return true;
}

/// As mmap(2) takes it.
inline uint64_t protection(const MapsLine& m) {
  return (m.perms[0] == 'r' ? 1 : 0) | (m.perms[1] == 'w' ? 2 : 0) | (m.perms[2] == 'x' ? 4 : 0);
}

}  // namespace mx::agent
