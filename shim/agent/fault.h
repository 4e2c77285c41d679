// Synchronous faults of the program: whose fault is it?
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// A fault signal of the kernel. Both versions at the same point: the program's own behaviour, its
/// handler (or the default action) runs. Otherwise the faulting version has crashed.
void on_fault(Thread* t, int sig, Siginfo* info, Ucontext* uc);

/// abort(): SIGABRT sent to oneself is judged like a fault, before it is sent. Returns if the
/// program may go on with it.
void judge_abort(Thread* t, int sig);

/// A follower ends with a status other than 0 and its leader goes on: it crashed at `position` of
/// its lane.
[[noreturn]] void exited_wrongly(Thread* t, uint64_t position, int status);

}  // namespace mx::agent
