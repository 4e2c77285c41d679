// Small services of the monitor: what wakes it, and what it writes into the arena.
#pragma once
#include <functional>
#include <string>

#include "shim/stream/arena.h"

namespace mx::monitor {

/// Blocks the signals that the monitor handles or forwards: before any thread or process begins.
/// `every`: all but the faults of this process (a container's first process gets them for the
/// program).
void hold_signals(bool every);
/// A signalfd for them. REQUIRES: hold_signals().
int open_signals(bool every);
/// The signal mask that mx was started with: the program's.
const sigset_t& original_mask();
/// Sleeps until `fd` can be read.
void wait_readable(int fd);
/// An eventfd that counts whenever an agent has sent a message (a
/// thread turns the futex into it). The thread runs `first` before;
/// it stays until this process ends. Once in a process. Throws Error.
int open_message_wakeups(stream::Control& control, std::function<void()> first = {});
/// The program's streams are the program's: a pipe must see its end when the program closes it.
void release_standard_streams();

void answer_exec(stream::Control& c, uint32_t process, stream::Version v, stream::ExecState state);
/// The leader of p is dead: the follower takes over.
void declare_dead(stream::Control& c, stream::Process& p);
/// The leader has been killed before the other version came as far as its own process of this pair:
/// that one takes over as soon as it is there.
bool awaits_follower(const stream::Process& p);
/// The follower has not taken over yet from a leader that is dead: a thread that computes is told
/// again. True if there is such a one.
bool remind_followers(stream::Control& c);
/// Whoever waits at an end of one of the process's lanes looks again.
void wake_lanes(stream::Control& c, const stream::Process& p);
/// The follower of p is gone: the leader goes on alone.
void let_leader_go(stream::Control& c, stream::Process& p);
void futex_wake(stream::Word& w);
/// Kicks the threads of one version of p: who sleeps in a call, or computes, looks up.
void kick_threads(stream::Control& c, const stream::Process& p, int version);
/// Until the survivor of a killed leader leads, 10 ms at most: the processors are its own and the
/// keeper's meanwhile.
void await_takeover(stream::Process& p);
std::string call_name(long nr);
/// For a person: a signal that ended a process unannounced. (One that the program dies of is
/// announced by the agent.) Others are the kernel's doing: SIGKILL, and SIGSEGV without a handler
/// where a process cannot go on (its rseq area is overwritten, say).
std::string why_ended(int signal, bool out_of_memory);
/// Ticks of the time-stamp counter.
double ticks_to_microseconds(int64_t ticks);

}  // namespace mx::monitor
