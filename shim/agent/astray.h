// A follower that has gone another way than the leader and could come back (checkpoint.h) runs on
// by itself for a moment, where nobody sees it: does it fail? A program that writes a report before
// it aborts goes astray first. Then it crashed where the ways parted.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// The call at hand is the first that the leader has not made. True: it has been answered, its
/// result stands in the registers, and all that follow will be (stray_call()).
bool go_astray(Call& c);
inline bool is_astray(const Thread* t) { return t->proc->astray; }
/// Answers a call without effect outside. Does not return when the version fails, or when it has
/// shown that it does not.
long stray_call(Call& c);

}  // namespace mx::agent
