#include "shim/agent/listing.h"

#include "shim/agent/memory.h"
#include "shim/agent/paths.h"

namespace mx::agent {

namespace {

struct Dirent64 {
  uint64_t inode, offset;
  uint16_t size;
  uint8_t type;
  char name[];
};

// /proc/PID/fd, or fdinfo, of any process: all have mx's descriptor.
bool lists_descriptors(int fd) {
  char target[64];
  const long n = path_of_descriptor(fd, target, sizeof target);
  if (n <= 0) return false;
  if (!starts_with(target, "/proc/")) return false;
  size_t slash = static_cast<size_t>(n);
  while (target[slash] != '/') slash--;
  return string_equal(target + slash, "/fd") || string_equal(target + slash, "/fdinfo");
}

}  // namespace

long perform_getdents64(Call& c) {
  char own[16];
  append_number(own, 0, control()->settings.reserved_fd);
  long size = execute(c);
  while (size > 0) {
    long left = size;
    for (long at = 0; at < left;) {
      auto* entry = reinterpret_cast<Dirent64*>(c.args[1] + at);
      uint16_t length = entry->size;
      if (!string_equal(entry->name, own) || !lists_descriptors(static_cast<int>(c.args[0]))) {
        at += length;
        continue;
      }
      left -= length;
      memmove(entry, reinterpret_cast<char*>(entry) + length, left - at);
    }
    if (left > 0) return left;
    size = execute(c);  // nothing but ours: an empty answer would mean the end
  }
  return size;
}

}  // namespace mx::agent
