// What the monitor hands to a new program's agent: stands behind the boot code at kBootAddress.
#pragma once
#include <cstdint>

namespace mx::agent {

struct BootInfo {
  uint64_t arena_fd;     // 0   offsets are known to entry.S
  uint64_t text;         // 8
  uint64_t text_size;    // 16
  uint64_t text_offset;  // 24  in the arena file
  uint64_t data;         // 32
  uint64_t data_size;    // 40
  uint64_t data_offset;  // 48
  uint64_t arena;        // 56
  uint64_t arena_size;   // 64
  uint64_t start;        // 72  mx_start
  uint64_t entry;        // 80  where the program begins
  uint64_t stack;        // 88  its stack pointer
  uint64_t vdso;         // 96  address of the hidden vDSO, 0: none
  uint64_t process;      // 104 index of the stream::Process
  uint64_t version;      // 112
  uint64_t initial;      // 120 1: the first image of a version, 0: after an execve
};
static_assert(sizeof(BootInfo) <= 256);

}  // namespace mx::agent
