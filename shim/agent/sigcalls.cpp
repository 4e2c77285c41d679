// The system calls about signals: what the program sees is this agent's tables.
#include "shim/agent/children.h"
#include "shim/agent/fds.h"
#include "shim/agent/flight.h"
#include "shim/agent/frame.h"
#include "shim/agent/memory.h"
#include "shim/agent/own_words.h"
#include "shim/agent/sent.h"
#include "shim/agent/signals.h"

namespace mx::agent {

namespace {

bool read_set(uint64_t at, uint64_t& set) {
  if (!readable(reinterpret_cast<void*>(at), 8)) return false;
  set = *reinterpret_cast<uint64_t*>(at);
  return true;
}

}  // namespace

void name_sender(Thread* t, int sig, int32_t code, int32_t& pid) {
  if (t->proc->promoted && (sig == kSigchld || code <= kSiUser) && code != kSiTimer)
    pid = virtual_id(t, pid);
}

long perform_sigtimedwait(Call& c) {
  const long ret = execute_by_role(c);
  auto* info = reinterpret_cast<Siginfo*>(c.args[1]);
  if (ret > 0 && info) name_sender(c.t, info->signo, info->code, info->child.pid);
  return ret;
}

namespace {
bool reads_signals(const Call& c, long ret) {
  return ret >= static_cast<long>(sizeof(SignalRecord)) && valid_fd(c.args[0]) &&
         (fd_bits(c.t, static_cast<int>(c.args[0])) & kFdSignalfd);
}

}  // namespace

void forget_read(Thread* t, const SignalRecord* records, uint64_t size) {
  for (uint64_t n = size / sizeof *records; n > 0; n--, records++)
    if (records->signo >= 1 && records->signo <= 64)
      forget_sent(t, records->signo, records->code, records->pid);
}

long perform_read(Call& c) {
  const long ret = execute_by_role(c);
  if (!__builtin_expect(c.t->proc->promoted, 0) || !reads_signals(c, ret)) return ret;
  auto* r = reinterpret_cast<SignalRecord*>(c.args[1]);
  for (uint64_t n = static_cast<uint64_t>(ret) / sizeof *r; n > 0; n--, r++)
    name_sender(c.t, r->signo, r->code, r->pid);
  return ret;
}

void localise_sigtimedwait(Call& c) {
  const auto* info =
      reinterpret_cast<const Siginfo*>(c.args[1]);  // (this version's, the leader's bytes in it)
  if (c.ret > 0 && c.ret <= 64)
    forget_sent(c.t, static_cast<int>(c.ret), info ? info->code : 0, info ? info->child.pid : 0);
}

void localise_read(Call& c) {
  read_own_words(c);
  if (reads_signals(c, c.ret))
    forget_read(c.t, reinterpret_cast<const SignalRecord*>(c.args[1]),
                static_cast<uint64_t>(c.ret));
}

long run_sigaction(Call& c) {
  auto sig = static_cast<int>(c.args[0]);
  if (c.args[3] != 8 || sig < 1 || sig > 64) return kEinval;
  SignalAction& slot = c.t->proc->actions[sig];
  SignalAction old = slot;
  if (c.args[1]) {
    if (kUnblockable & bit(sig)) return kEinval;
    if (!readable(reinterpret_cast<void*>(c.args[1]), sizeof slot)) return kEfault;
    slot = *reinterpret_cast<SignalAction*>(c.args[1]);
    slot.mask &= ~kUnblockable;
    install_signal(c.t, sig);
  }
  if (c.args[2]) {
    if (!writable(reinterpret_cast<void*>(c.args[2]), sizeof old)) return kEfault;
    *reinterpret_cast<SignalAction*>(c.args[2]) = old;
  }
  return 0;
}

namespace {
// rt_sigprocmask: the mask that it sets. 0, or the error.
long next_mask(const Call& c, uint64_t& next) {
  uint64_t set = 0;
  if (!read_set(c.args[1], set)) return kEfault;
  const uint64_t old = c.t->vmask;
  switch (static_cast<int>(c.args[0])) {
    case 0:
      next = old | set;
      break;
    case 1:
      next = old & ~set;
      break;
    case 2:
      next = set;
      break;
    default:
      return kEinval;
  }
  next &= ~kUnblockable;
  return 0;
}
}  // namespace

bool unblocks(const Call& c) {
  uint64_t next;
  return c.args[3] == 8 && c.args[1] && next_mask(c, next) == 0 && (c.t->vmask & ~next);
}

// Unblocking may deliver: then it is an event, so that both versions run the handler here.
long run_sigprocmask(Call& c) {
  Thread* t = c.t;
  if (c.args[3] != 8) return kEinval;
  const uint64_t old = t->vmask;
  if (c.args[1])
    if (const long e = next_mask(c, c.scratch[0])) return e;
  if (c.args[2]) {
    if (!writable(reinterpret_cast<void*>(c.args[2]), 8)) return kEfault;
    *reinterpret_cast<uint64_t*>(c.args[2]) = old;
  }
  if (!c.args[1]) return 0;
  if (old & ~c.scratch[0]) return run_event(c);
  t->vmask = c.scratch[0];
  if (t->role != Role::kFollower) apply_mask(t, t->trap);
  return 0;
}

long perform_sigprocmask(Call& c) {
  c.t->vmask = c.scratch[0];
  apply_mask(c.t, c.t->trap);
  release_held(c.t);
  return 0;
}

// Not before: a handler that runs first has the old mask in its frame, and the call is made again.
void localise_sigprocmask(Call& c) { c.t->vmask = c.scratch[0]; }

long perform_sigpending(Call& c) {
  long ret = execute(c);
  if (ret == 0 && c.args[1] >= 8) *reinterpret_cast<uint64_t*>(c.args[0]) |= c.t->held;
  return ret;
}

// An event, so that signals which the handler's mask held back come in both versions before the
// program goes on.
long run_sigreturn(Call& c) {
  Thread* t = c.t;
  if (t->cancel_early && t->role == Role::kFollower) {
    t->cancel_early = 0;
    read_frame(t, c.r);
    leave_handler(t, c.r, false);
  }
  if (t->role == Role::kFollower) {
    EventHeader h;
    Match m = follower_match(c, h);
    if (m == Match::kRedirected) return c.r->rax;
    if (m == Match::kMatched) {
      follower_take(c, h);
      bool follow = t->signal_follows;
      t->signal_follows = 0;
      read_frame(t, c.r);
      if (!follow) look_after_sigreturn(t);
      leave_handler(t, c.r, follow);
    }
  }
  read_frame(t, c.r);
  apply_mask(t, nullptr);
  release_held(t);
  if (t->role == Role::kLeader) publish(c, EventKind::kCall, 0);
  bool follow = t->role == Role::kLeader ? t->announced : announce_signals(t);
  leave_handler(t, c.r, follow);
}

long run_sigaltstack(Call& c) {
  Thread* t = c.t;
  KernelStack old = t->altstack;
  if (old.size == 0) old.flags = 2;
  bool on = old.size && c.r->rsp > old.sp && c.r->rsp - old.sp <= old.size;
  if (on) old.flags |= 1;
  if (c.args[0]) {
    KernelStack next;
    if (!readable(reinterpret_cast<void*>(c.args[0]), sizeof next)) return kEfault;
    next = *reinterpret_cast<KernelStack*>(c.args[0]);
    if (on) return kEperm;
    int flags = next.flags & ~(1 << 31);
    if (flags & ~3) return kEinval;
    if (flags & 2) {
      next = {0, 2, 0, 0};
    } else if (next.size < 2048) {
      return kEnomem;
    }
    next.flags &= ~1;
    t->altstack = next;
  }
  if (c.args[1]) {
    if (!writable(reinterpret_cast<void*>(c.args[1]), sizeof old)) return kEfault;
    *reinterpret_cast<KernelStack*>(c.args[1]) = old;
  }
  return 0;
}

// Sets the mask that holds while a call waits; dispatch() restores it, after the handlers ran.
static void enter_suspend(Thread* t, uint64_t mask) {
  t->suspend_mask = t->vmask;
  t->in_suspend = 1;
  t->vmask = mask & ~kUnblockable;
  if (t->role != Role::kFollower) release_held(t);
}

long run_sigsuspend(Call& c) {
  uint64_t mask;
  if (c.args[1] != 8) return kEinval;
  if (!read_set(c.args[0], mask)) return kEfault;
  enter_suspend(c.t, mask);
  c.scratch[0] = mask & ~kNeverBlocked;
  c.exec[0] = reinterpret_cast<uint64_t>(&c.scratch[0]);
  return run_event(c);
}

// ppoll, pselect6, epoll_pwait, epoll_pwait2: as given, but never blocking what the agent needs.
long run_masked_wait(Call& c) {
  int at = c.nr == __NR_ppoll ? 3 : c.nr == __NR_pselect6 ? 5 : 4;
  uint64_t mask;
  if (c.args[at] && c.nr == __NR_pselect6) {
    auto* pair = reinterpret_cast<uint64_t*>(c.args[at]);
    if (readable(pair, 16) && pair[0] && read_set(pair[0], mask)) {
      enter_suspend(c.t, mask);
      c.scratch[0] = mask & ~kNeverBlocked;
      c.scratch[1] = reinterpret_cast<uint64_t>(&c.scratch[0]);
      c.scratch[2] = 8;
      c.exec[at] = reinterpret_cast<uint64_t>(&c.scratch[1]);
    }
  } else if (c.args[at] && read_set(c.args[at], mask)) {
    enter_suspend(c.t, mask);
    c.scratch[0] = mask & ~kNeverBlocked;
    c.exec[at] = reinterpret_cast<uint64_t>(&c.scratch[0]);
  }
  return run_event(c);
}

}  // namespace mx::agent
