// Entry of the kernel's signals: SIGSYS from the seccomp filter (a call that was not rewritten),
// and everything else.
#pragma once
#include "shim/agent/state.h"

extern "C" {
/// Every signal's kernel handler.
void on_kernel_signal(int sig, mx::agent::Siginfo* info, mx::agent::Ucontext* uc);
/// A call from a rewritten site (entry.S).
void mx_fast_call(mx::agent::Thread* t, mx::agent::Regs* r);
}
