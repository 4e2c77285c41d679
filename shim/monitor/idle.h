// A process that waits makes no call at which it could make a checkpoint (checkpoints.h): a server
// that has a child or a thread for each client would never have one.
#pragma once
#include "shim/stream/arena.h"

namespace mx::monitor {

/// Whether the thread waits in a call without a limit of time. (One that is woken for a checkpoint
/// begins its call anew.) By proc(5), /proc/PID/task/TID/syscall; false if that cannot be read.
bool waits_for_ever(pid_t pid, pid_t tid);

/// Version v of p, asked for a checkpoint (stream::kWantCheckpoint), makes it where it waits. A
/// leader is woken if a thread of it waits for ever, else asked again the next time.
void ask_at_rest(stream::Control& c, stream::Process& p, stream::Version v);

}  // namespace mx::monitor
