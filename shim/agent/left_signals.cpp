#include "shim/agent/left_signals.h"

#include "shim/agent/pair.h"
#include "shim/agent/sent.h"
#include "shim/agent/signals.h"

namespace mx::agent {

namespace {

constexpr uint32_t kMostLeft = 4096;  // the rest comes by kill(2), see forward_from_husk()

struct SignalsLeft {
  Word count;
  int32_t vtid;  // of the thread that has left them
  Siginfo info[kMostLeft];
};
static_assert(stream::kSignalsInLane + sizeof(SignalsLeft) <= stream::kLaneStride);

SignalsLeft& left_at(const Process* p) {
  return *reinterpret_cast<SignalsLeft*>(
      stream::kArenaBase + stream::signals_offset(p->fd_list_lane % stream::kMaxLanes));
}

// Neither of a child's end, of which the survivor hears by its own, nor the agent's own kick.
bool is_for_program(const Siginfo& info) {
  if (info.signo < 1 || info.signo > 64 || (kUnblockable & bit(info.signo))) return false;
  if (info.signo == kSigchld) return info.code <= kSiUser;
  return info.signo != kSigsys || is_programs_sigsys(info.code);
}

void leave(Thread* t, SignalsLeft& left, uint32_t& n, Siginfo info) {
  if (n == kMostLeft || !is_for_program(info)) return;
  name_sender(t, info.signo, info.code, info.child.pid);
  left.info[n++] = info;
}

}  // namespace

void leave_signals(Thread* t) {
  SignalsLeft& left = left_at(t->proc->shared);
  uint32_t n = 0;
  left.vtid = t->vtid;
  for (uint32_t i = 0; i < t->pending; i++) leave(t, left, n, t->queue[i].info);
  for (int sig = 1; sig < 32; sig++)
    if (t->held & bit(sig)) leave(t, left, n, t->held_info[sig]);
  t->pending = 0;
  t->held = 0;
  t->lane->queued = 0;
  const uint64_t all = ~uint64_t{0};
  const KernelTimespec zero{0, 0};
  for (Siginfo info{}; n < kMostLeft && sys(__NR_rt_sigtimedwait, &all, &info, &zero, 8) > 0;
       info = {})
    leave(t, left, n, info);
  left.count.store(n);
}

void take_left_signals(Thread* t, uint64_t done) {
  SignalsLeft& left = left_at(t->proc->shared);
  const uint32_t n = left.count.exchange(0);
  for (uint32_t i = 0; i < n && i < kMostLeft; i++) {
    const Siginfo& info = left.info[i];
    if (is_for_program(info) && !(done & bit(info.signo)))
      send_to_self(t, info, info.code == kTkill ? left.vtid : 0);
  }
}

}  // namespace mx::agent
