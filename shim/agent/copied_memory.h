// The memfds of a copy of this process (checkpoint.h, copied_maps.h): others, with the same
// content.
#pragma once
#include "shim/agent/shared_maps.h"

namespace mx::agent {

struct CopiedMemory {
  FileId file;     ///< of the process that this is a copy of
  int fd;          ///< the copy
  uint32_t seals;  ///< to be set when it is mapped
  bool named;      ///< the program has a descriptor of it
};

/// A descriptor of that process: what it is called there, and what it looks like.
struct MemoryFd {
  int fd, cloexec;
  int64_t offset;
};

/// Of this copy: at number `m.fd` stands what `source`, which stays open, is of; a second number of
/// the same file becomes a duplicate of the first. False: no memory, no descriptor.
bool place_memory(int source, const MemoryFd& m);
/// One that is mapped and has no descriptor any more: [address, address + length) from `offset` on.
CopiedMemory* take_from_mapping(const FileId& file, uint64_t address, uint64_t length,
                                uint64_t offset);
/// Null: this copy has none of it.
CopiedMemory* copied_memory(const FileId& file);
/// All are mapped: they are sealed as they were.
void finish_memory();

/// How much a copy may take in all, of these and of shadows, in bytes. False: not so much.
bool take_room(uint64_t bytes);
/// That has been said.
bool is_full();

}  // namespace mx::agent
