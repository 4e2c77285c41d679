#include "shim/agent/sent.h"

#include "shim/agent/signals.h"

namespace mx::agent {

namespace {

constexpr int kRealTime = 32;

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

}  // namespace

void note_sent(Thread* t, const Siginfo& info) {
  LocalProcess* p = t->proc;
  int sig = info.signo;
  if (!valid(sig) || !(t->vmask & bit(sig)) || (kUnblockable & bit(sig)) || p->n_sent == kMaxPending) return;
  if (sig < kRealTime && (sent_signals(p) & bit(sig))) return;  // standard signals merge
  p->sent[p->n_sent++] = info;
}

void forget_sent(Thread* t, int sig) {
  LocalProcess* p = t->proc;
  uint32_t i = 0;
  while (i < p->n_sent && p->sent[i].signo != sig) i++;
  if (i == p->n_sent) return;
  p->n_sent--;
  for (; i < p->n_sent; i++) p->sent[i] = p->sent[i + 1];
}

uint64_t sent_signals(const LocalProcess* p) {
  uint64_t all = 0;
  for (uint32_t i = 0; i < p->n_sent; i++) all |= bit(p->sent[i].signo);
  return all;
}

void inherit_sent(Thread* t, uint64_t signals) {
  for (int sig = 1; sig <= 64; sig++)
    if (signals & bit(sig)) note_sent(t, plain(t, sig));
}

uint64_t send_again(Thread* t) {
  LocalProcess* p = t->proc;
  uint64_t sent = sent_signals(p);
  for (uint32_t i = 0; i < p->n_sent; i++) {
    const Siginfo& info = p->sent[i];
    if (kNeverBlocked & bit(info.signo)) hold(t, info);
    else sys(__NR_rt_sigqueueinfo, p->real_pid, info.signo, &info);
  }
  p->n_sent = 0;
  return sent;
}

}  // namespace mx::agent
