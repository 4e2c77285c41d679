// Whether a call could go on at once. A signal that comes before a call has reached the kernel
// comes before the call: the handler runs first. For calls that would wait mx makes of it an
// interrupted wait, so that a program that looks at a flag and then waits (pause(2)'s race) is not
// worse off than natively, where that moment is shorter. A call that need not wait never says
// EINTR.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// Leader, of a call that the kernel has not begun (Call::kept_out): reads, writes, accept(2), and
/// waits for a child. False also where it cannot be told.
bool need_not_wait(const Call& c);

}  // namespace mx::agent
