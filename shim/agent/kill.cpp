#include "shim/agent/kill.h"

#include "shim/agent/children.h"
#include "shim/agent/failover.h"
#include "shim/agent/fault.h"
#include "shim/agent/keeper.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/own_ids.h"
#include "shim/agent/pair.h"
#include "shim/agent/sent.h"
#include "shim/agent/signals.h"

namespace mx::agent {

namespace {

constexpr int kSigabrt = 6, kSigkill = 9, kSigcont = 18, kSigstop = 19;

bool to_self(Thread* t, int64_t pid, int64_t tid) {
  return pid == t->proc->vpid && (tid == 0 || tid == t->vtid);
}

void before_kill(Call& c, int64_t pid, int64_t tid, uint64_t sig) {
  Thread* t = c.t;
  if (!to_self(t, pid, tid)) return;
  if (sig == kSigabrt) judge_abort(t, kSigabrt);
  // Its own will, which nobody could tell afterwards from a kill by somebody else.
  if (sig == kSigkill && t->role == Role::kLeader) {
    publish_plain(t, EventKind::kTermSignal, 0, kSigkill, 0, nullptr, 0);
    lane_flush(t);
    die_of(t, kSigkill);
  }
}

// Signals that no follower hears of by its lane: both versions of the process get them.
bool reaches_both(const Thread* t, int sig) {
  return sig == kSigkill || (t->proc->promoted && (sig == kSigstop || sig == kSigcont));
}

void also_to_follower(Thread* t, int32_t vpid, int sig) {
  Process* pair = vpid == t->proc->vpid ? nullptr : find_pair(vpid);
  if (!pair || !reaches_both(t, sig)) return;
  uint32_t follower = 1 - (pair->leader.load() & 1);
  if (!pair->alive[follower].load() || pair->real_pid[follower] <= 0) return;
  if (sig == kSigkill) pair->alive[follower].store(0);  // it is not to come back
  sys(__NR_kill, pair->real_pid[follower], sig);
}

// With a leader that was killed its children have changed to this version: the former ones only
// stand in for them.
bool all_changed(const Thread* t) {
  return t->proc->promoted && t->proc->shared->last_words.known.load();
}

// `given` is the program's siginfo, or null.
Siginfo info_of(const Call& c, int sig, int32_t code, uint64_t given) {
  Siginfo info{};
  info.code = code;
  info.queue = {c.t->proc->vpid, static_cast<uint32_t>(sys(__NR_getuid)), 0};
  if (given) copy_guarded(&info, reinterpret_cast<void*>(given), sizeof info);
  info.signo = sig;
  return info;
}

// Follower: the signal that the leader has just sent itself may be pending when it dies.
void note_sent_to_self(Call& c, int sig, int32_t code, uint64_t given) {
  if (c.t->role == Role::kFollower && c.consumed && c.ret == 0)
    note_sent(c.t, info_of(c, sig, code, given));
}

// The same for one that any thread may take, and tell of, as soon as the event is consumed.
long run_event_to_self(Call& c, int32_t pid, int sig, int32_t code, uint64_t given) {
  Thread* t = c.t;
  const bool expects = t->role == Role::kFollower && pid == t->proc->vpid;
  if (expects) expect_sent_to_self(t, sig);
  const long ret = run_event(c);
  if (expects)
    confirm_sent_to_self(t, info_of(c, sig, code, given),
                         c.consumed && !t->regs_redirected && ret == 0);
  return ret;
}

// Its place in the order is from before the kernel acts: another thread may take the signal, tell
// of that, and end, before this one's call has returned.
void come_before_receiver(const Call& c, int64_t pid, int64_t tid) {
  Thread* t = c.t;
  if (t->role == Role::kLeader && pid == t->proc->vpid && tid != t->vtid &&
      t->proc->shared->threads.load() > 1)
    take_ticket(t);
}

}  // namespace

void prepare_kill(Call& c) {
  auto pid = static_cast<int32_t>(c.args[0]);
  come_before_receiver(c, pid, 0);
  if (pid <= 0 && c.t->proc->promoted)
    await_children(c.t);  // (it may have taken over in this call)
  if (pid > 0) c.exec[0] = static_cast<uint64_t>(int64_t{acting_id(c.t, pid)});
  if (pid < -1 && all_changed(c.t))
    c.exec[0] = static_cast<uint64_t>(-int64_t{own_group(c.t, -pid)});
}

long run_kill(Call& c) {
  Thread* t = c.t;
  auto pid = static_cast<int32_t>(c.args[0]);
  auto sig = static_cast<int>(c.args[1]);
  before_kill(c, pid, 0, c.args[1]);
  long ret = run_event_to_self(c, pid, sig, kSiUser, 0);
  if (t->regs_redirected) return ret;
  if (t->role == Role::kFollower) return ret;
  if (pid > 0 && ret == 0) also_to_follower(t, pid, sig);
  // A group has members by either version's ids once a version has taken over.
  int32_t own = pid < -1 && t->proc->promoted && !all_changed(t) ? own_group(t, -pid) : -pid;
  if (pid < -1 && own != -pid && sys(__NR_kill, -own, sig) == 0) ret = 0;
  return ret;
}

// tkill, tgkill, rt_tgsigqueueinfo: thread ids are the leader's.
void prepare_tgkill(Call& c) {
  Thread* t = c.t;
  bool group = c.nr != __NR_tkill;
  come_before_receiver(c, group ? static_cast<int32_t>(c.args[0]) : t->proc->vpid,
                       static_cast<int32_t>(c.args[group ? 1 : 0]));
  if (!t->proc->promoted) return;
  if (group && static_cast<int32_t>(c.args[0]) != t->proc->vpid) return;
  if (group) c.exec[0] = t->proc->real_pid;
  c.exec[group ? 1 : 0] = own_thread(t, static_cast<int32_t>(c.args[group ? 1 : 0]));
}

// SIGSYS by tgkill is the agent's kick: the program's carries a mark.
long perform_tgkill(Call& c) {
  bool group = c.nr == __NR_tgkill;
  if (c.exec[group ? 2 : 1] != kSigsys) return execute(c);
  Siginfo info{};
  info.signo = kSigsys;
  info.code = kSiQueue;
  info.queue = {c.t->proc->vpid, static_cast<uint32_t>(sys(__NR_getuid)), kSentByTgkill};
  uint64_t process = group ? c.exec[0] : c.t->proc->real_pid;
  return sys(__NR_rt_tgsigqueueinfo, process, c.exec[group ? 1 : 0], kSigsys, &info);
}

long run_tgkill(Call& c) {
  Thread* t = c.t;
  bool group = c.nr != __NR_tkill;
  int64_t tid = static_cast<int32_t>(c.args[group ? 1 : 0]);
  int64_t pid = group ? static_cast<int32_t>(c.args[0]) : t->proc->vpid;
  auto sig = static_cast<int>(c.args[group ? 2 : 1]);
  before_kill(c, pid, tid, sig);
  const auto vtid = static_cast<int32_t>(tid);
  const bool to_other =
      t->role == Role::kFollower && pid == t->proc->vpid && vtid > 0 && vtid != t->vtid;
  if (to_other) expect_sent(t, sig, vtid);
  long ret = run_event(c);
  uint64_t given = c.nr == __NR_rt_tgsigqueueinfo ? c.args[3] : 0;
  if (to_other)
    confirm_sent(t, info_of(c, sig, kTkill, given), vtid,
                 c.consumed && !t->regs_redirected && ret == 0);
  if (to_self(t, pid, tid) && !t->regs_redirected) note_sent_to_self(c, sig, kTkill, given);
  return ret;
}

long run_sigqueue(Call& c) {
  return run_event_to_self(c, static_cast<int32_t>(c.args[0]), static_cast<int>(c.args[1]),
                           kSiQueue, c.args[2]);
}

// The follower's processes form groups of the same shape, so that they are there after a failover.
void prepare_setpgid(Call& c) {
  if (!c.t->proc->promoted) return;
  auto pid = static_cast<int32_t>(c.args[0]), group = static_cast<int32_t>(c.args[1]);
  c.exec[0] = static_cast<uint64_t>(int64_t{pid ? own_id(c.t, pid) : 0});
  c.exec[1] = static_cast<uint64_t>(int64_t{(group ? own_group(c.t, group) : 0)});
}

long run_setpgid(Call& c) {
  Thread* t = c.t;
  auto pid = static_cast<int32_t>(c.args[0]), group = static_cast<int32_t>(c.args[1]);
  long ret = run_event(c);
  if (t->role == Role::kFollower && c.consumed && ret == 0)
    sys(__NR_setpgid, pid ? own_id(t, pid) : 0, group ? own_group(t, group) : 0);
  if (ret == 0 && (pid == 0 || pid == t->proc->vpid) && (group == 0 || group == t->proc->vpid))
    t->proc->shared->on_its_own.fetch_or(stream::kOwnGroup);
  return ret;
}

long run_setsid(Call& c) {
  long ret = run_event(c);
  if (ret >= 0) c.t->proc->shared->on_its_own.store(stream::kOwnGroup | stream::kOwnSession);
  if (c.t->role == Role::kFollower && c.consumed && ret >= 0) sys(__NR_setsid);
  // A daemon: nobody but the monitor will hear of its death.
  if (c.t->role == Role::kLeader && ret >= 0) start_keeper(c.t);
  return ret;
}

void prepare_pidfd_open(Call& c) {
  c.exec[0] = static_cast<uint64_t>(int64_t{acting_id(c.t, static_cast<int32_t>(c.args[0]))});
}

}  // namespace mx::agent
