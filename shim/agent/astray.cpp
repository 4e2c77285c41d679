#include "shim/agent/astray.h"

#include "shim/agent/checkpoint.h"
#include "shim/agent/doubt.h"
#include "shim/agent/failover.h"
#include "shim/agent/fault.h"
#include "shim/agent/marshal.h"
#include "shim/agent/memory.h"

namespace mx::agent {

namespace {

constexpr uint32_t kMostCalls = 2000;
constexpr int64_t kPatienceNs = 5'000'000'000;  // a server that tests its memory before it aborts

[[noreturn]] void give_up(Thread* t) {
  stray_from_leader(t, "the sequences of system calls differ");
}

bool kills(uint64_t sig) {  // what a program that has failed sends itself
  constexpr uint64_t kDeadly = 1u << 4 | 1u << 6 | 1u << 7 | 1u << 8 | 1u << 9 | 1u << 11;
  return sig < 32 && (kDeadly >> sig & 1);
}

// Sent to itself: whatever its handler would do, it does not go on.
void judge_signal(Call& c, uint64_t pid, uint64_t sig) {
  const LocalProcess* p = c.t->proc;
  const auto target = static_cast<int32_t>(pid);
  if ((target == p->vpid || target == p->real_pid) && kills(sig))
    judge_abort(c.t, static_cast<int>(sig));
}

long own_pid(const Thread* t, long nr) { return nr == __NR_getpid ? t->proc->vpid : t->vtid; }

}  // namespace

bool go_astray(Call& c) {
  Thread* t = c.t;
  if (c.r != t->regs || !recover_crashed_follower(t, t->pos)) return false;
  t->proc->stray_position = t->pos;
  t->proc->stray_since = monotonic_ns();
  t->proc->astray = 1;
  c.r->rax = static_cast<uint64_t>(stray_call(c));
  return true;
}

long stray_call(Call& c) {
  Thread* t = c.t;
  if (follower_must_end(t)) end_follower(t);
  if (++t->proc->stray_calls > kMostCalls || monotonic_ns() - t->proc->stray_since > kPatienceNs ||
      !recovers(t->proc->shared))
    give_up(t);
  switch (c.nr) {
    case __NR_exit_group:
    case __NR_exit:
      if ((c.args[0] & 0xff) == 0) give_up(t);
      exited_wrongly(t, t->proc->stray_position, static_cast<int>(c.args[0]) & 0xff);
    case __NR_kill:
      judge_signal(c, c.args[0], c.args[1]);
      return 0;
    case __NR_tkill:
      judge_signal(c, static_cast<uint64_t>(t->proc->vpid), c.args[1]);
      return 0;
    case __NR_tgkill:
      judge_signal(c, c.args[0], c.args[2]);
      return 0;
    case __NR_getpid:
    case __NR_gettid:
      return own_pid(t, c.nr);
    case __NR_rt_sigaction:
    case __NR_rt_sigprocmask:
    case __NR_close:
      return 0;
    default:
      break;
  }
  if (begins_work(static_cast<long>(c.nr))) give_up(t);  // it has done its work, and lives
  if (c.d->treatment == sys::Treatment::kQuery)
    return raw6(c.nr, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], c.args[5]);
  int64_t bytes = -1;
  if (c.d->in_mask && guarded([&] { bytes = handed_over(c); }) && bytes >= 0) return bytes;
  return kEnosys;
}

}  // namespace mx::agent
