// Puts the agent into a process that stands at its PTRACE_EVENT_EXEC stop, before any instruction
// of the new image runs, and lets it go.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>

#include "shim/monitor/arena.h"

namespace mx::monitor {

struct Injection {
  pid_t pid;
  uint32_t process;  ///< index of the stream::Process
  stream::Version version;
  bool initial;  ///< the version's first image
};

/// Returns an empty string, or why it failed (the process is then still stopped and attached).
std::string inject(const Arena& arena, const Injection& injection);

/// Where the vDSO, which is the same in every process, has a `syscall` instruction: bytes from its
/// start, 0: nowhere.
uint64_t vdso_syscall_offset();

}  // namespace mx::monitor
