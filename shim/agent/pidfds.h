// Descriptors that name a process (pidfd_open). They stay the one's that the program's leader had
// opened them for: in a version that has taken over, the process may go on as another one.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

void localise_pidfd_open(Call& c);
/// The process that the program named when it opened `fd`; 0: not known.
int32_t pidfd_target(Thread* t, uint64_t fd);
long perform_pidfd_send_signal(Call& c);

}  // namespace mx::agent
