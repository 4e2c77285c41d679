// One operation under several numbers: the versions may have different libcs (glibc's epoll_wait is
// musl's epoll_pwait). The follower's call is compared as the call that the leader has made.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// The call's arguments as those of system call `nr`. False: it is another operation, or these
/// arguments have no counterpart there. `time`: room for a timeout that they may point to.
bool in_form(const Call& c, uint64_t nr, uint64_t (&time)[2], uint64_t (&args)[6]);

/// Makes it that call, for what follows. False as above.
bool take_form(Call& c, uint64_t nr);

/// What is left of a timeout goes to the program as its own call has it.
void give_time_back(const Call& c);

}  // namespace mx::agent
