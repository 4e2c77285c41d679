// Copies a call's results between the program's memory and a lane, from the table's description.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// Bytes of all results of argument i after the call, and copying them into / out of the lane.
uint64_t out_size(const Call& c, int i);
bool put_out(Call& c, int i, uint64_t n);
/// `n`: as the leader wrote it; what does not fit this version's buffer is discarded.
bool get_out(Call& c, int i, uint64_t n);
/// From elsewhere than the lane, for an argument that is one buffer.
void put_in_place(Call& c, int i, const void* bytes, uint64_t n);

/// Copies up to `limit` first bytes that the program hands to the kernel (for the report).
uint32_t sample_inputs(const Call& c, uint8_t* to, uint32_t limit);
/// How many bytes a call that writes (write, sendmsg, …) was given to write; -1 for any other call.
int64_t handed_over(const Call& c);
/// Reads the words that SizeRule::kValueAt and kSelf depend on.
void read_size_words(Call& c);

}  // namespace mx::agent
