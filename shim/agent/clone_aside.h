// Processes beside the program's, which no signal reaches.
#pragma once
#include "shim/agent/kernel.h"

/// A process that calls f(argument) on a stack of its own, and shares what `flags` say (entry.S). f
/// does not return. `pid`: for CLONE_PARENT_SETTID and CLONE_CHILD_CLEARTID.
extern "C" long mx_clone_aside(uint64_t flags, void* stack_top, void* pid, void (*f)(void*),
                               void* argument);

namespace mx::agent {

/// Calls `make`, which clones a process, with all signals blocked: so they are in the new process,
/// which does not return from it. Returns what it returns.
template <typename F>
long with_signals_blocked(F&& make) {
  uint64_t all = ~uint64_t{0}, old;
  sys(__NR_rt_sigprocmask, 2 /*SIG_SETMASK*/, &all, &old, 8);
  const long made = make();
  sys(__NR_rt_sigprocmask, 2, &old, nullptr, 8);
  return made;
}

}  // namespace mx::agent
