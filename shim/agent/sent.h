// Signals that a program has sent itself and blocks: the follower knows of them, the kernel forgets them with a leader that is
// killed (what is pending for one thread, and every value that came with a signal).
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// Follower: the leader has sent itself this signal, which the program blocks.
void note_sent(Thread* t, const Siginfo& info);
/// The program has taken it.
void forget_sent(Thread* t, int sig);
/// Over execve: what the new image inherits. No values.
uint64_t sent_signals(const LocalProcess* p);
void inherit_sent(Thread* t, uint64_t signals);
/// The survivor: sends itself again what the leader had pending. Returns the signals it has sent.
uint64_t send_again(Thread* t);

}  // namespace mx::agent
