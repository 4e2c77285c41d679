#include "shim/agent/signals.h"

#include "shim/agent/astray.h"
#include "shim/agent/checkpoint.h"
#include "shim/agent/children.h"
#include "shim/agent/failover.h"
#include "shim/agent/fault.h"
#include "shim/agent/frame.h"
#include "shim/agent/keeper.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/patch.h"
#include "shim/agent/readiness.h"
#include "shim/agent/sent.h"
#include "shim/agent/shared_locks.h"
#include "shim/agent/threads.h"
#include "shim/agent/trap.h"

extern "C" {
extern char mx_gate_begin[], mx_gate_end[], mx_gate_abort[];
void mx_restorer();
}

namespace mx::agent {

namespace {

constexpr int kSigcancel = 32, kSigcont = 18, kSigurg = 23, kSigwinch = 28;
constexpr int64_t kDeferNs = 3'000'000;

bool default_ignored(int sig) {
  return sig == kSigchld || sig == kSigcont || sig == kSigurg || sig == kSigwinch;
}
bool default_stops(int sig) { return sig == 19 || sig == 20 || sig == 21 || sig == 22; }

bool in_agent(uint64_t rip) { return rip >= stream::kAgentBase && rip < stream::kCodeEnd; }

// What the kernel does with `sig` on behalf of the program's action.
KernelSigaction kernel_action(const SignalAction& a, int sig) {
  KernelSigaction k{reinterpret_cast<uint64_t>(&on_kernel_signal),
                    kSaSiginfo | kSaOnstack | kSaRestorer | kSaNodefer,
                    reinterpret_cast<uint64_t>(&mx_restorer), ~kNeverBlocked};
  // A trapped call runs inside SIGSYS's handler: signals must be able to interrupt it.
  if (sig == kSigsys) k.mask = 0;
  if (kNeverBlocked & bit(sig)) return k;
  if (a.handler == kSigIgn || (a.handler == kSigDfl && !default_terminates(sig)))
    k.handler = a.handler;
  k.flags |= a.flags & (kSaNocldstop | kSaNocldwait);
  return k;
}

void install(Thread* t, int sig) {
  KernelSigaction k = kernel_action(t->proc->actions[sig], sig);
  sys(__NR_rt_sigaction, sig, &k, nullptr, 8);
}

void queue(Thread* t, const Siginfo& info) {
  if (t->pending >= kMaxPending) {
    if (info.signo < 32) return;  // standard signals merge; real-time ones are lost past the limit
    return;
  }
  for (uint32_t i = 0; i < t->pending; i++)
    if (info.signo < 32 && t->queue[i].info.signo == info.signo) return;
  t->queue[t->pending].info = info;
  t->pending++;
  if (t->role == Role::kLeader) t->lane->queued |= bit(info.signo);
}

bool pop(Thread* t, Siginfo& info) {
  // A handler may interrupt this; block everything for the moment.
  uint64_t all = ~kNeverBlocked, old;
  sys(__NR_rt_sigprocmask, 0, &all, &old, 8);
  bool any = t->pending > 0;
  if (any) {
    info = t->queue[0].info;
    t->pending--;
    for (uint32_t i = 0; i < t->pending; i++) t->queue[i] = t->queue[i + 1];
  }
  sys(__NR_rt_sigprocmask, 2, &old, nullptr, 8);
  return any;
}

struct SignalBody {
  Siginfo info;
};

// Leader: publishes one signal; `more` if another follows at the same point.
void publish_signal(Thread* t, const Siginfo& info, uint8_t flags) {
  SignalBody body{info};
  publish_plain(t, EventKind::kSignal, flags, static_cast<uint16_t>(info.signo), 0, &body,
                sizeof body);
}

void to_call_start(Thread* t, Regs* r) {
  if (t->regs_redirected) return;
  r->rip = restart_address(t, r);
  r->rax = r->nr;
}

bool ends_or_runs(const SignalAction& a, int sig) {
  return a.handler > kSigIgn || (a.handler == kSigDfl && default_terminates(sig));
}

uint64_t mask_in_handler(const Thread* t, int sig) {
  const SignalAction& a = t->proc->actions[sig];
  return t->vmask | a.mask | ((a.flags & kSaNodefer) ? 0 : bit(sig));
}

// Whether one of the first `count` queued signals will have an event under `mask`.
bool any_follows(const Thread* t, uint32_t count, uint64_t mask) {
  for (uint32_t i = 0; i < count && i < t->pending; i++) {
    int sig = t->queue[i].info.signo;
    if (!(mask & bit(sig)) && ends_or_runs(t->proc->actions[sig], sig)) return true;
  }
  return false;
}

// Blocked since it was queued: back to the kernel, or held here where the kernel must not block it.
void put_back(Thread* t, const Siginfo& info) {
  if (kNeverBlocked & bit(info.signo)) {
    t->held |= bit(info.signo);
    t->held_info[info.signo & 31] = info;
  } else {
    sys(__NR_rt_tgsigqueueinfo, t->proc->real_pid, t->tid, info.signo, &info);
  }
}

// One signal in a version that acts for real; `left` more may follow. True if a handler is entered.
bool act(Thread* t, Regs* r, const Siginfo& info, SignalPoint point, uint8_t flags, uint32_t left,
         Ucontext* uc) {
  int sig = info.signo;
  struct Told {  // at the end: until then a survivor has to hear of it
    Thread* t;
    int sig;
    ~Told() {
      if (t->role == Role::kLeader) t->lane->queued &= ~bit(sig);
    }
  } told{t, sig};
  SignalAction& a = t->proc->actions[sig];
  if (t->vmask & bit(sig)) {
    put_back(t, info);
    return false;
  }
  if (!ends_or_runs(a, sig)) return false;
  if (a.handler == kSigDfl) {
    publish_plain(t, EventKind::kTermSignal, 0, sig, 0, nullptr, 0);
    if (t->role == Role::kLeader) lane_flush(t);
    die_of(t, sig);
  }
  bool more = any_follows(t, left, mask_in_handler(t, sig));
  publish_signal(t, info, flags | (more ? stream::kSignalFollows : 0));
  if (point == SignalPoint::kCallStart && !uc) to_call_start(t, r);
  enter_handler(t, r, info, uc ? uc : t->trap);
  return true;
}

bool act_on_queue(Thread* t, Regs* r, uint32_t count, SignalPoint point, uint8_t flags,
                  Ucontext* uc) {
  bool entered = false;
  Siginfo info;
  while (count > 0 && pop(t, info)) entered |= act(t, r, info, point, flags, --count, uc);
  return entered;
}

// The signals that came with the mask that rt_sigreturn has just restored: before the program goes
// on.
void deliver_at_sigreturn(Thread* t, Ucontext* uc) {
  Regs r;
  t->at_sigreturn = 0;
  regs_from(uc, &r);
  t->regs = &r;
  t->regs_redirected = 1;
  if (t->role == Role::kFollower)
    follow_signal(t, &r, SignalPoint::kCallEnd, uc);
  else
    act_on_queue(t, &r, t->announced, SignalPoint::kCallEnd, 0, uc);
  t->announced = 0;
  t->regs = nullptr;
  t->regs_redirected = 0;
  regs_to(&r, uc);
}

// Of a SIGSYS. Its code is then the one that the program expects.
bool from_program(Siginfo* info) {
  if (!is_programs_sigsys(info->code)) return false;
  if (info->code == kSiQueue && info->queue.value == kSentByTgkill) info->code = kTkill;
  return true;
}

// (Of a child's end the survivor hears by its own: restore_pending in takeover.cpp.)
void forward_from_husk(Thread* t, const Siginfo& info) {
  if (info.signo == kSigchld && info.code > 0) return;
  Process* p = t->proc->shared;
  int target = p->real_pid[static_cast<int>(stream::other(t->proc->version))];
  if (target <= 0) return;
  // What the kernel says of itself, or tgkill of its sender, only a process of its own may be told.
  const bool whole = info.code < 0 && info.code != kTkill &&
                     sys(__NR_rt_sigqueueinfo, target, info.signo, &info) == 0;
  if (!whole) sys(__NR_kill, target, info.signo);
}

}  // namespace

void install_signal(Thread* t, int sig) { install(t, sig); }

bool default_terminates(int sig) { return !default_ignored(sig) && !default_stops(sig); }
bool default_dumps_core(int sig) {
  return bit(sig) & (bit(3) | bit(4) | bit(5) | bit(6) | bit(7) | bit(8) | bit(11) | bit(24) |
                     bit(25) | bit(31));
}

uint64_t kernel_mask(const Thread* t) {
  if (t->role == Role::kFollower) return ~kNeverBlocked;
  return t->vmask & ~kNeverBlocked;
}

void apply_mask(Thread* t, Ucontext* uc) {
  uint64_t mask = kernel_mask(t);
  if (uc) uc->sigmask = mask;
  if (!uc || uc == t->trap) sys(__NR_rt_sigprocmask, 2, &mask, nullptr, 8);
}

KernelStack agent_stack(const Thread* t) {
  return {thread_stack_base(t), 0, 0, t->stack_top - thread_stack_base(t)};
}

void init_thread_stack(Thread* t) {
  KernelStack s = agent_stack(t);
  sys(__NR_sigaltstack, &s, nullptr);
}

void init_signals(Thread* t) {
  LocalProcess* p = t->proc;
  for (int sig = 1; sig <= 64; sig++) {
    if (kUnblockable & bit(sig)) continue;
    KernelSigaction k;
    sys(__NR_rt_sigaction, sig, nullptr, &k, 8);
    p->actions[sig] = {k.handler == kSigIgn ? kSigIgn : kSigDfl, 0, 0, 0};
    install(t, sig);
  }
}

void install_all_signals(Thread* t) {
  for (int sig = 1; sig <= 64; sig++)
    if (!(kUnblockable & bit(sig))) install(t, sig);
}

void on_signal(int sig, Siginfo* info, Ucontext* uc) {
  Thread* t = this_thread();
  bool in_call = t->regs != nullptr;
  if (kSyncSignals & bit(sig) && info->code > 0) {
    on_fault(t, sig, info, uc);
    return;
  }
  if (sig == kSigsys && !from_program(info)) {
    on_kick(t, info, uc);
    return;
  }
  if (t->is_husk) {
    forward_from_husk(t, *info);
    return;
  }
  if (t->role == Role::kFollower) return;
  name_sender(t, sig, info->code, info->child.pid);
  const bool waits = t->pending;  // one that came before it: its time runs
  queue(t, *info);
  uint64_t rip = uc->mc.rip;
  if (rip >= reinterpret_cast<uint64_t>(mx_gate_begin) &&
      rip < reinterpret_cast<uint64_t>(mx_gate_end)) {
    uc->mc.rip = reinterpret_cast<uint64_t>(mx_gate_abort);
  }
  if (!in_call && !waits) arm_deferred(t);
}

// The timer's signal may come late, when it has been armed anew for a signal that has just come:
// the tick that it expires at takes the processor away, and the kernel then has both to deliver.
static bool is_armed(const Thread* t) {
  int64_t spec[4] = {};
  return t->defer_timer && sys(__NR_timer_gettime, t->defer_timer - 1, spec) == 0 &&
         (spec[2] || spec[3]);
}

// SIGSYS that is not a trap: a request to build a frame, the deferral timer, or another thread.
void on_kick(Thread* t, Siginfo* info, Ucontext* uc) {
  if (t->build_frame) {
    build_frame_now(t, uc);
    return;
  }
  if (t->at_sigreturn) {
    deliver_at_sigreturn(t, uc);
    return;
  }
  if (info->code == kSiTimer && is_armed(t)) return;
  t->kicked = 1;
  if (t->role == Role::kFollower && t->lane && info->code != kSiTimer)
    t->kick_at = t->lane->head.load(std::memory_order_acquire);
  uint64_t rip = uc->mc.rip;
  if (rip >= reinterpret_cast<uint64_t>(mx_gate_begin) &&
      rip < reinterpret_cast<uint64_t>(mx_gate_end) && info->code != kSiTimer) {
    uc->mc.rip = reinterpret_cast<uint64_t>(mx_gate_abort);
  }
  if (t->regs ||
      in_agent(rip)) {  // looked at when the call ends; if that has been done, in a moment
    if (t->role == Role::kFollower ? t->pos < t->kick_at : t->pending && !t->regs) arm_deferred(t);
    return;
  }
  if (must_look_up(t)) {
    looked_up(t, false);
    uc->sigmask = kernel_mask(t);  // in a copy it follows
  }
  Regs r;
  regs_from(uc, &r);
  t->regs_redirected = 1;  // the frame keeps the interrupted context as it is
  if (t->role == Role::kFollower) {
    follow_async_signal(t, &r, uc);
    // It is behind. Kicks merge, and what stands before a signal need not be a call that looks for
    // one at its end.
    if (t->role == Role::kFollower && t->pos < t->kick_at) arm_deferred(t);
    uc->sigmask = kernel_mask(t);
  } else if (t->role == Role::kLeader &&
             t->proc->shared->failing.load() ==
                 stream::kIsFailing) {  // (a survivor alone: the husk's word)
    t->regs = &r;
    park_if_failing(t);
    t->regs = nullptr;
  } else {
    act_on_queue(t, &r, t->pending, SignalPoint::kCallEnd, stream::kAsync, uc);
    kick_follower(t);
  }
  regs_to(&r, uc);
  t->regs_redirected = 0;
}

// By the thread's own processor time: one that waits for a core has not computed, and may be about
// to make a call, which is the better place (a follower that runs ahead has not passed it).
void arm_deferred(Thread* t) {
  constexpr int kThreadCpuTime = 3;
  struct {
    uint64_t value;
    int32_t signo, notify, tid;
    int32_t pad[11];
  } event{0, kSigsys, 4 /*SIGEV_THREAD_ID*/, t->tid, {}};
  if (!t->defer_timer) {
    int32_t id;
    if (sys(__NR_timer_create, kThreadCpuTime, &event, &id) != 0) return;
    t->defer_timer = id + 1;
  }
  int64_t spec[4] = {0, 0, 0, kDeferNs};
  sys(__NR_timer_settime, t->defer_timer - 1, 0, spec, nullptr);
}

bool announce_signals(Thread* t) {
  t->announced = t->pending;
  return t->announced && any_follows(t, t->announced, t->vmask);
}

void release_held(Thread* t) {
  for (uint64_t let = t->held & ~t->vmask; let; let &= let - 1) {
    int sig = __builtin_ctzll(let) + 1;
    t->held &= ~bit(sig);
    queue(t, t->held_info[sig & 31]);
  }
}

bool deliver_pending(Thread* t, Regs* r, SignalPoint point) {
  uint8_t flags = point == SignalPoint::kCallStart  ? stream::kRestart
                  : point == SignalPoint::kLocalEnd ? stream::kAsync
                                                    : 0;
  // At the end of an event: those that it announced. What came since waits for the next boundary.
  uint32_t count =
      point == SignalPoint::kCallEnd && t->role == Role::kLeader ? t->announced : t->pending;
  t->announced = 0;
  const bool cancelled = count && t->queue[0].info.signo == kSigcancel;
  bool entered = act_on_queue(t, r, count, point, flags, nullptr);
  if (entered && (point == SignalPoint::kLocalEnd || cancelled)) kick_follower(t);
  return entered;
}

bool restart_after_signal(Call& c) {
  Thread* t = c.t;
  if (!t->pending || t->role == Role::kFollower) return false;
  bool again = false;
  const SignalAction& a = t->proc->actions[t->queue[0].info.signo];
  if (a.handler == kSigIgn || a.handler == kSigDfl) again = true;
  if (sys::has(*c.d, sys::attr::kRestart) && (a.flags & kSaRestart)) again = true;
  if (c.kept_out && !c.done && need_not_wait(c)) again = true;
  if (!again) return false;
  if (deliver_pending(t, c.r, SignalPoint::kCallStart)) return true;
  to_call_start(t, c.r);  // nothing to run: straight back to the call
  t->regs_redirected = 1;
  return true;
}

void follow_signal(Thread* t, Regs* r, SignalPoint point, Ucontext* uc) {
  EventHeader h;
  SignalBody body;
  bool more = true;
  while (more) {
    if (lane_wait(t, sizeof h) != Wait::kReady) return;
    lane_peek(t, 0, &h, sizeof h);
    if (h.kind == EventKind::kTermSignal) follow_term_signal(t, h);
    if (h.kind != EventKind::kSignal) return;
    await_turn(t, h);  // what another thread did between the call's end and the signal comes first
    if (follower_must_end(t)) end_follower(t);
    lane_skip(t, sizeof h);
    if (!lane_get(t, &body, sizeof body)) return;
    forget_sent(
        t, body.info.signo, body.info.code,
        body.info.child
            .pid);  // before the event counts as consumed: who takes over sends what is left
    finish_event(t, h);
    more = t->signal_follows;
    t->signal_follows = 0;
    if (body.info.signo < 1 || body.info.signo > 64) continue;
    const SignalAction& a = t->proc->actions[body.info.signo];
    if (point == SignalPoint::kCallStart) to_call_start(t, r);
    t->regs_redirected = 1;
    if (a.handler > kSigIgn) enter_handler(t, r, body.info, uc ? uc : t->trap);
  }
}

// No call of the program's has to be made first.
static bool comes_anywhere(const EventHeader& h) {
  return h.kind == EventKind::kTermSignal ||
         (h.kind == EventKind::kSignal && (h.flags & stream::kAsync));
}

// Follower: whether such an event is the next one and has been published already.
static bool signal_is_next(Thread* t, EventHeader& h) {
  t->limit = t->lane->head.load(std::memory_order_acquire);
  if (t->limit - t->pos < sizeof h) return false;
  lane_peek(t, 0, &h, sizeof h);
  return comes_anywhere(h);
}

void follow_trailing_signals(Thread* t, Regs* r) {
  if (t->signal_follows) {
    t->signal_follows = 0;
    t->regs_redirected = 0;
    follow_signal(t, r, SignalPoint::kCallEnd);
    return;
  }
  EventHeader h;
  if (!signal_is_next(t, h) || !(has_turn(t, h) || leader_is_gone(t))) return;
  // The leader may have given a lock back by then that processes share: where it computes, or in
  // its next call.
  if (h.kind == EventKind::kTermSignal && has_shared_memory() &&
      static_cast<int64_t>(r->rax) != kEintr)
    return arm_deferred(t);
  follow_signal(t, r, SignalPoint::kCallEnd);
}

void look_after_sigreturn(Thread* t) {
  EventHeader h;
  if (signal_is_next(t, h)) arm_deferred(t);
}

// A thread of glibc's that has left a cancellation point waits
// (__pthread_disable_asynccancel) for the signal that pthread_cancel is
// about to send. In the leader it may have come later, in the next call.
static bool cancels(const EventHeader& h) {
  return h.kind == EventKind::kSignal && h.nr == kSigcancel && (h.flags & stream::kRestart);
}

bool interrupted_as_leader(Thread* t) {
  EventHeader h;
  if (t->role != Role::kFollower || is_astray(t)) return false;
  const bool comes = signal_is_next(t, h);
  if (!comes && !(t->limit - t->pos >= sizeof h && cancels(h))) return false;
  await_turn(t, h);
  if (!comes)
    t->signal_follows = t->cancel_early = 1;  // and returns from the handler without an event
  return true;
}

void follow_async_signal(Thread* t, Regs* r, Ucontext* uc) {
  EventHeader h;
  SignalBody body;
  t->limit = t->lane->head.load(std::memory_order_acquire);
  if (t->limit == t->pos && leader_is_gone(t)) {
    await_last_events(t);
    t->limit = t->lane->head.load(std::memory_order_acquire);
    // It was killed, and this version computes: who else should go on?
    if (t->limit == t->pos) return take_over(t);
  }
  if (t->limit - t->pos < sizeof h) return;
  lane_peek(t, 0, &h, sizeof h);
  if (h.kind == EventKind::kTermSignal && has_turn(t, h)) follow_term_signal(t, h);
  if (t->limit - t->pos < sizeof h + sizeof body) return;
  if (h.kind != EventKind::kSignal || !(h.flags & stream::kAsync)) return;
  if (!has_turn(t, h)) return arm_deferred(t);  // no waiting here: it may hold a lock
  lane_skip(t, sizeof h);
  lane_get(t, &body, sizeof body);
  forget_sent(t, body.info.signo, body.info.code, body.info.child.pid);
  finish_event(t, h);
  t->signal_follows = 0;
  if (body.info.signo < 1 || body.info.signo > 64) return;
  if (t->proc->actions[body.info.signo].handler > kSigIgn) enter_handler(t, r, body.info, uc);
}

void die_of(Thread* t, int sig) {
  stop_keeper(t);
  if (t->lane) t->lane->activity.store(static_cast<uint32_t>(Activity::kGone));
  if (!t->is_husk) tell_husk(t, sig);
  t->proc->shared->alive[static_cast<int>(t->proc->version)].store(0);  // an end both know of
  end_by_signal(t, sig);
}

void end_by_signal(const Thread* t, int sig) {
  if (t->role == Role::kFollower) {
    uint64_t none[2] = {0, 0};
    sys(__NR_setrlimit, 4 /*RLIMIT_CORE*/, none);
  }
  KernelSigaction dfl{};
  sys(__NR_rt_sigaction, sig, &dfl, nullptr, 8);
  uint64_t mask = ~bit(sig);
  sys(__NR_rt_sigprocmask, 2, &mask, nullptr, 8);
  sys(__NR_tgkill, t->proc->real_pid, t->tid, sig);
  sys(__NR_exit_group, 128 + sig);
  __builtin_unreachable();
}

void end_with_status(const Thread* t, int status) {
  if (status & 0x7f) end_by_signal(t, status & 0x7f);
  sys(__NR_exit_group, (status >> 8) & 0xff);
  __builtin_unreachable();
}

void follow_term_signal(Thread* t, const EventHeader& h) {
  int sig = h.nr;
  lane_skip(t, sizeof h + stream::padded(h.size));
  finish_event(t, h);
  die_of(t, sig);
}

void deliver_fault(Thread* t, Regs* r, const Siginfo& info, Ucontext* uc) {
  const SignalAction& a = t->proc->actions[info.signo];
  // The kernel kills a program that ignores or blocks a synchronous fault.
  if (a.handler <= kSigIgn || (t->vmask & bit(info.signo))) {
    publish_plain(t, EventKind::kTermSignal, 0, info.signo, 0, nullptr, 0);
    if (t->role == Role::kLeader) lane_flush(t);
    die_of(t, info.signo);
  }
  enter_handler(t, r, info, uc);
}

}  // namespace mx::agent
