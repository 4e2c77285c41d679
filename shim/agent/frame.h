// Builds the frame of a signal handler on the program's stack, as the kernel does
// (arch/x86/kernel/signal_64.c), and takes it down again.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// Makes r enter the program's handler for `info` when it is resumed. `context`: where the floating
/// point state (and cr2, trapno of a fault) is; null: obtained from the kernel by a signal to
/// oneself.
void enter_handler(Thread* t, Regs* r, const Siginfo& info, Ucontext* context);
/// The second half of the above for context == null, called in the handler of that signal.
void build_frame_now(Thread* t, Ucontext* uc);
/// The program's rt_sigreturn: its mask and alternate stack are those of the frame at r->rsp.
void read_frame(Thread* t, const Regs* r);
/// … and it continues from that frame, after the signals that follow there.
[[noreturn]] void leave_handler(Thread* t, Regs* r, bool signals_follow);

void regs_from(const Ucontext* uc, Regs* r);
void regs_to(const Regs* r, Ucontext* uc);
extern "C" void mx_resume_at(Regs* r);

}  // namespace mx::agent
