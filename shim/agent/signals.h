// Signals. The kernel only ever runs the agent's handler; the program's handlers are entered at
// system-call boundaries, at the same point in both versions (see docs/architecture.md, Signals).
//
// The kernel's mask of a leader's thread is the program's mask without the signals the agent needs
// itself (SIGSYS and the synchronous faults). A follower blocks everything else: what arrives from
// outside arrives at the leader only.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

enum class SignalPoint : uint8_t {
  kCallStart,  ///< before the call: it is executed again when the handler returns
  kCallEnd,    ///< after the call: its result is in r->rax
  kLocalEnd,   ///< as kCallEnd, for a call that is no event: the follower is told to look
};

inline constexpr uint64_t kSyncSignals =
    bit(4) | bit(5) | bit(7) | bit(8) | bit(11);  // ILL TRAP BUS FPE SEGV
inline constexpr uint64_t kNeverBlocked = kSyncSignals | bit(31);
inline constexpr int kSigsys = 31;
inline constexpr int32_t kSiUser = 0, kSiQueue = -1, kSiTimer = -2;  ///< si_code
/// Value of a SIGSYS that the program has sent itself by tgkill (raise), so that it is not taken
/// for a kick.
inline constexpr uint64_t kSentByTgkill = 0x6d7831f;
/// SIGSYS is the agent's own kick when it comes by tgkill or a timer; the program's is sent
/// otherwise, see perform_tgkill.
inline bool is_programs_sigsys(int32_t code) { return code == kSiUser || code == kSiQueue; }
inline constexpr uint64_t kUnblockable = bit(9) | bit(19);

/// Installs the agent's handlers for a new program image; learns which signals are ignored.
void init_signals(Thread* t);
/// Installs the agent's alternate stack in this thread.
void init_thread_stack(Thread* t);
/// Sets the kernel's mask from t->vmask (through the frame `uc` if that will be restored).
void apply_mask(Thread* t, Ucontext* uc);
uint64_t kernel_mask(const Thread* t);

/// The kernel's handler for everything but SIGSYS traps, which go to trap.cpp.
void on_signal(int sig, Siginfo* info, Ucontext* uc);

/// Leader, at the end of a call: which of the queued signals belong to it. True if the follower has
/// to look for their events behind the call's.
bool announce_signals(Thread* t);
/// Leader, alone: held signals that the program's mask lets through are queued.
void release_held(Thread* t);
/// Leader, alone: runs the program's handlers for what is queued. True if r was redirected.
bool deliver_pending(Thread* t, Regs* r, SignalPoint point);
/// After -EINTR: true if the call is to be executed again after the handler (r is set up).
bool restart_after_signal(Call& c);
/// Follower: the event at the cursor is a kSignal; enters the program's handler.
void follow_signal(Thread* t, Regs* r, SignalPoint point, Ucontext* uc = nullptr);
/// Follower: signals that belong to the end of the call just consumed, or that came at no
/// particular point.
void follow_trailing_signals(Thread* t, Regs* r);
/// Follower, at the end of rt_sigreturn: a signal that came at no particular point is next, and its
/// kick may have been dropped (a trap's SIGSYS was pending).
void look_after_sigreturn(Thread* t);
/// Follower, before it waits in a call that it makes by itself: true if the leader's thread was
/// interrupted by a signal at no event of its own. The call returns EINTR, and the signal comes
/// with its end (follow_trailing_signals()).
bool interrupted_as_leader(Thread* t);
[[noreturn]] void follow_term_signal(Thread* t, const EventHeader& h);
/// Ends this process by the default action of `sig`, as the kernel would.
[[noreturn]] void die_of(Thread* t, int sig);
/// Only the kernel's part of that.
[[noreturn]] void end_by_signal(const Thread* t, int sig);
/// Ends this process with a wait(2) status.
[[noreturn]] void end_with_status(const Thread* t, int status);
/// Runs the program's action for a synchronous fault; fp: floating-point state to be saved.
void deliver_fault(Thread* t, Regs* r, const Siginfo& info, Ucontext* uc);
KernelStack agent_stack(const Thread* t);
/// Sees to it that queued signals are delivered soon although the program makes no call.
void arm_deferred(Thread* t);
bool default_terminates(int sig);
bool default_dumps_core(int sig);

void install_all_signals(Thread* t);
void install_signal(Thread* t, int sig);
void on_kick(Thread* t, Siginfo* info, Ucontext* uc);
void follow_async_signal(Thread* t, Regs* r, Ucontext* uc);

// Handlers of calls (sigcalls.cpp).
long run_sigaction(Call& c);
long run_sigprocmask(Call& c);
/// Whether this rt_sigprocmask takes a signal out of the mask.
bool unblocks(const Call& c);
long perform_sigprocmask(Call& c);
long run_sigreturn(Call& c);
long perform_sigpending(Call& c);
void localise_sigprocmask(Call& c);
long run_sigaltstack(Call& c);
long run_sigsuspend(Call& c);
/// struct signalfd_siginfo, signalfd(2).
struct SignalRecord {
  int32_t signo, error, code, pid;
  uint8_t rest[112];
};
static_assert(sizeof(SignalRecord) == 128);
/// The program has read these, `size` bytes: they are pending no more (forget_sent).
void forget_read(Thread* t, const SignalRecord* records, uint64_t size);
/// Survivor: a signal's sender, or the child it tells of, as the program knows it.
void name_sender(Thread* t, int sig, int32_t code, int32_t& pid);
/// Leader: the same in what these have read (of signalfds).
long perform_sigtimedwait(Call& c);
long perform_read(Call& c);
void localise_sigtimedwait(Call& c);
void localise_read(Call& c);
long run_masked_wait(Call& c);

}  // namespace mx::agent
