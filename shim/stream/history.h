// What one version of a thread did last, for the report of a crash.
// In the arena, so that it outlives a version that is killed. Only
// the thread itself writes; the monitor reads it as hostile input.
#pragma once
#include <cstdint>

#include "shim/stream/layout.h"

namespace mx::stream {

struct PastCall {
  uint64_t nr;
  int64_t result;
  uint64_t args[6];
};
inline constexpr uint32_t kPastCalls = 64;

/// The program's registers where it faulted, or where the survivor stood when it heard of that.
struct SavedRegisters {
  uint64_t valid;
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, rip, eflags,
      rsp;
};

struct alignas(kPage) History {
  PastCall calls[kPastCalls];  ///< a ring
  alignas(64) uint64_t count;  ///< calls made since the thread began
  alignas(64) SavedRegisters registers;
};
static_assert(sizeof(History) == kHistorySize);

/// Where the history of one version (0, 1) of lane `lane` stands in the arena.
constexpr uint64_t history_offset(uint32_t lane, int version) {
  return lane_offset(lane) + static_cast<uint64_t>(version) * kHistorySize;
}

}  // namespace mx::stream
