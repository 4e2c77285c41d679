#include "shim/agent/sent.h"

#include "shim/agent/children.h"
#include "shim/agent/one_at_a_time.h"
#include "shim/agent/pair.h"
#include "shim/agent/signals.h"

namespace mx::agent {

namespace {

constexpr int kRealTime = 32;
constexpr int32_t kAnyThread = 0x7fffffff;  // negative, of what is about to be sent to the process

bool valid(int sig) { return sig >= 1 && sig <= 64; }

Siginfo plain(const Thread* t, int sig) {
  Siginfo info{};
  info.signo = sig;
  info.code = kSiUser;
  info.queue.pid = t->proc->vpid;
  return info;
}

// Held by the agent, as it would have been in the leader: the kernel must not block these.
void hold(Thread* t, const Siginfo& info) {
  t->held |= bit(info.signo);
  t->held_info[info.signo & 31] = info;
}

// Threads of a follower note and forget at the same time.
std::atomic<uint32_t> notes_busy{0};

void add(LocalProcess* p, const Siginfo& info, int32_t to) {
  if (p->n_sent == kMaxPending) return;
  p->sent[p->n_sent] = info;
  p->sent_to[p->n_sent++] = to;
}

bool remove(LocalProcess* p, int sig, int32_t to) {
  uint32_t i = 0;
  while (i < p->n_sent && (p->sent[i].signo != sig || p->sent_to[i] != to)) i++;
  if (i == p->n_sent) return false;
  p->n_sent--;
  for (; i < p->n_sent; i++) {
    p->sent[i] = p->sent[i + 1];
    p->sent_to[i] = p->sent_to[i + 1];
  }
  return true;
}

bool noted(const LocalProcess* p, int sig, int32_t to) {
  for (uint32_t i = 0; i < p->n_sent; i++)
    if (p->sent[i].signo == sig && p->sent_to[i] == to) return true;
  return false;
}

bool has_effect(const Thread* t, int sig) {
  const SignalAction& a = t->proc->actions[sig];
  return a.handler > kSigIgn || (a.handler == kSigDfl && default_terminates(sig));
}

// Of the process, when this thread sends it.
bool stays_pending(const Thread* t, int sig) {
  return valid(sig) && (t->vmask & bit(sig)) && !(kUnblockable & bit(sig));
}

// The leader has sent it, and nobody has taken it.
void note(Thread* t, const Siginfo& info, int32_t to) {
  LocalProcess* p = t->proc;
  if (p->promoted) return send_to_self(t, info, to);
  if (info.signo < kRealTime && noted(p, info.signo, to)) return;  // standard signals merge
  add(p, info, to);
}

}  // namespace

void send_to_self(Thread* t, const Siginfo& info, int32_t to) {
  if (to) {
    // A thread may not say that another one's signal came by tgkill: the kernel does.
    const Lane* l = lane_of(t->proc->shared, to);
    int32_t tid = l ? l->real_tid[index_of(t->proc->version)] : 0, pid = t->proc->real_pid;
    if (tid && info.code == kTkill) sys(__NR_tgkill, pid, tid, info.signo);
    if (tid && info.code != kTkill) sys(__NR_rt_tgsigqueueinfo, pid, tid, info.signo, &info);
  } else if (kNeverBlocked & bit(info.signo)) {
    hold(t, info);
  } else if (sys(__NR_rt_sigqueueinfo, t->proc->real_pid, info.signo, &info) != 0) {
    sys(__NR_kill, t->proc->real_pid, info.signo);
  }
}

void note_sent(Thread* t, const Siginfo& info) {
  if (!stays_pending(t, info.signo)) return;
  OneAtATime alone(notes_busy);
  note(t, info, 0);
}

void expect_sent(Thread* t, int sig, int32_t vtid) {
  if (!valid(sig) || ((kUnblockable | kNeverBlocked) & bit(sig)) || !has_effect(t, sig)) return;
  Siginfo info{};
  info.signo = sig;
  OneAtATime alone(notes_busy);
  add(t->proc, info, -vtid);
}

void confirm_sent(Thread* t, const Siginfo& info, int32_t vtid, bool sent) {
  OneAtATime alone(notes_busy);
  if (remove(t->proc, info.signo, -vtid) && sent) note(t, info, vtid);
}

void expect_sent_to_self(Thread* t, int sig) {
  if (!stays_pending(t, sig)) return;
  Siginfo info{};
  info.signo = sig;
  OneAtATime alone(notes_busy);
  add(t->proc, info, -kAnyThread);
}

void confirm_sent_to_self(Thread* t, const Siginfo& info, bool sent) {
  OneAtATime alone(notes_busy);
  if (remove(t->proc, info.signo, -kAnyThread) && sent) note(t, info, 0);
}

bool is_expected(Thread* t, int sig, int32_t vtid) {
  OneAtATime alone(notes_busy);
  return noted(t->proc, sig, -vtid);
}

void forget_sent(Thread* t, int sig, int32_t code, int32_t pid) {
  constexpr int32_t kExited = 1, kDumped = 3;  // CLD_*
  if (sig == kSigchld && code >= kExited && code <= kDumped) note_told(t, pid);
  OneAtATime alone(notes_busy);
  for (int32_t to : {t->vtid, -t->vtid, 0, -kAnyThread})
    if (remove(t->proc, sig, to)) return;
}

uint64_t sent_signals(const LocalProcess* p) {
  uint64_t all = 0;
  for (uint32_t i = 0; i < p->n_sent; i++)
    if (p->sent_to[i] >= 0) all |= bit(p->sent[i].signo);
  return all;
}

void inherit_sent(Thread* t, uint64_t signals) {
  for (int sig = 1; sig <= 64; sig++)
    if (signals & bit(sig)) note_sent(t, plain(t, sig));
}

uint64_t send_again(Thread* t) {
  OneAtATime alone(notes_busy);
  LocalProcess* p = t->proc;
  uint64_t sent = sent_signals(p);
  for (uint32_t i = 0; i < p->n_sent; i++)
    if (p->sent_to[i] >= 0) send_to_self(t, p->sent[i], p->sent_to[i]);
  uint32_t left = 0;
  for (uint32_t i = 0; i < p->n_sent; i++) {
    if (p->sent_to[i] >= 0) continue;
    p->sent[left] = p->sent[i];
    p->sent_to[left++] = p->sent_to[i];
  }
  p->n_sent = left;
  return sent;
}

void send_queued(Thread* t, Lane& lane, uint64_t signals) {
  int32_t tid = lane.real_tid[index_of(t->proc->version)], pid = t->proc->real_pid;
  for (int sig = 1; sig <= 64; sig++) {
    if (!(signals & bit(sig))) continue;
    // Who sent it is not known; most come by kill(2). (Only the first thread may say so.)
    Siginfo info = plain(t, sig), child{};
    if (sig == kSigchld && untold_child_has_ended(t, child)) info = child;
    if (tid > 0 && sys(__NR_rt_tgsigqueueinfo, pid, tid, sig, &info) == 0) continue;
    if (tid <= 0 || sys(__NR_tgkill, pid, tid, sig) != 0) sys(__NR_kill, pid, sig);
  }
}

}  // namespace mx::agent
