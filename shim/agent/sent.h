// Signals that a program has sent itself and has not taken (it blocks them, or they are for another
// thread): the follower knows of them, the kernel forgets them with a leader that is killed (what
// is pending for one thread, and every value that came with a signal).
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

inline constexpr int kSigchld = 17;
inline constexpr int32_t kTkill = -6;  ///< si_code of tkill and tgkill: SI_TKILL

/// Follower: the leader has sent itself this signal, which the program blocks.
void note_sent(Thread* t, const Siginfo& info);
/// Follower, about to send it to another thread of its own as the leader has: that one may take it,
/// or the leader's may die before, as soon as the event is consumed.
void expect_sent(Thread* t, int sig, int32_t vtid);
/// … the event has been consumed, and the leader has (not) sent it.
void confirm_sent(Thread* t, const Siginfo& info, int32_t vtid, bool sent);
/// The same for a signal to the process, which this thread blocks.
void expect_sent_to_self(Thread* t, int sig);
void confirm_sent_to_self(Thread* t, const Siginfo& info, bool sent);
/// … expected, and the thread has not taken it.
bool is_expected(Thread* t, int sig, int32_t vtid);
/// The program has taken it, in this thread. `code` and `pid` are those of a SIGCHLD.
void forget_sent(Thread* t, int sig, int32_t code, int32_t pid);
/// Over execve: what the new image inherits. No values.
uint64_t sent_signals(const LocalProcess* p);
void inherit_sent(Thread* t, uint64_t signals);
/// In the version that leads now, to itself. `to`: a thread, or 0.
void send_to_self(Thread* t, const Siginfo& info, int32_t to);
/// The survivor: sends itself again what the leader had pending. Returns the signals it has sent.
uint64_t send_again(Thread* t);
/// … what the leader's agent had taken from the kernel for one thread, and nobody was told of.
void send_queued(Thread* t, Lane& lane, uint64_t signals);

}  // namespace mx::agent
