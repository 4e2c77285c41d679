// A program that asks whether its children have ended, one by one and without waiting, in an order
// that differs between the versions: python keeps them in a set, which goes by addresses. What the
// leader was told of one child while the follower asked for another is kept until the follower's
// program asks for that one.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// wait4 for one child, with WNOHANG.
bool polls_child(uint64_t nr, uint64_t pid, uint64_t options);
inline bool polls_child(const Call& c) { return polls_child(c.nr, c.args[0], c.args[2]); }

/// Follower, wait4: what was kept of the child that the program asks for. False: nothing was.
bool answer_from_kept(Call& c);
/// Follower: the leader has been told `status` of its
/// child `vpid`, and this version's program has not.
void keep_answer(Thread* t, int32_t vpid, int status);
/// Follower: consumes a poll of the leader's that this version does not make, and that tells of a
/// child. Its turn has come.
void take_foreign_poll(Thread* t, const EventHeader& h);

}  // namespace mx::agent
