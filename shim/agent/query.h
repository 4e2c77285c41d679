// See query.cpp.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

// A query's event is not ordered: `order` says what was asked for, and how many bytes the answer
// has. The first eight stand in `digest`.
constexpr uint64_t query_word(uint32_t arg, uint32_t size) { return uint64_t{size} << 32 | arg; }
inline uint32_t query_arg(const EventHeader& h) { return static_cast<uint32_t>(h.order); }
inline uint32_t query_size(const EventHeader& h) { return static_cast<uint32_t>(h.order >> 32); }

/// Keeps the answer of a skipped query event at the cursor, for a follower that asks once more.
void remember_query(Thread* t, const EventHeader& h);
/// Ids that the agent knows itself (getpid, gettid): no event needed.
bool own_identity(Call& c, long& result);

}  // namespace mx::agent
