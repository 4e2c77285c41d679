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

}  // namespace mx::agent
