// See query.cpp.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// Keeps the answer of a skipped query event at the cursor, for a follower that asks once more.
void remember_query(Thread* t, const EventHeader& h);
/// Ids that the agent knows itself (getpid, gettid): no event needed.
bool own_identity(Call& c, long& result);

}  // namespace mx::agent
