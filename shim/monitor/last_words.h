// What the kernel still knows of a process that has ended and was not waited for.
#pragma once
#include <sys/types.h>

#include <cstdint>

#include "shim/stream/arena.h"

namespace mx::monitor {

/// Bytes read and written by process `pid` so far (/proc/PID/io). False: not to be had.
bool moved_bytes(pid_t pid, uint64_t (&io)[2]);
/// Fills p.last_words from the zombie `pid`.
void hear_last_words(pid_t pid, stream::Process& p);
/// It was killed, and its parent has taken it away: what only the kernel's counts could tell will
/// be made again.
void miss_last_words(stream::Process& p);

}  // namespace mx::monitor
