// Which processes are this run's. Their ids stand in the arena, which the versions can scribble
// over: the monitor, often root, signals, traces and ranks no process that it does not find to be
// one of the program's.
#pragma once
#include <sys/types.h>

namespace mx::monitor {

/// Every process of the run has the arena's file at this number.
void know_own_processes(int arena_fd, int reserved_fd);

/// A child of this process, or one that has the arena at its number (true of threads' ids as well).
bool is_own_process(pid_t pid);

/// kill(2), of an own process; else -1.
int signal_own(pid_t pid, int signal);

}  // namespace mx::monitor
