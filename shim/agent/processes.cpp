#include "shim/agent/processes.h"

#include "shim/agent/align.h"
#include "shim/agent/baton.h"
#include "shim/agent/checkpoint.h"
#include "shim/agent/children.h"
#include "shim/agent/failover.h"
#include "shim/agent/fault.h"
#include "shim/agent/keeper.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/own_io.h"
#include "shim/agent/pidfds.h"
#include "shim/agent/polls.h"
#include "shim/agent/report.h"
#include "shim/agent/serialized.h"
#include "shim/agent/signals.h"
#include "shim/agent/threads.h"

extern "C" [[noreturn]] void mx_thread_exit(long status);

namespace mx::agent {

namespace {

int version_index(Thread* t) { return static_cast<int>(t->proc->version); }

[[noreturn]] void end_process(Thread* t, int code) {
  leave_children(t);
  stop_keeper(t);
  tell_husk(t, (code & 0xff) << 8);
  release_pair(t);
  for (;;) sys(__NR_exit_group, code);
}

// Follower at exit_group: compares notes with the leader. Returns the status to end with.
int follow_exit(Call& c, int code) {
  Thread* t = c.t;
  for (;;) {
    EventHeader h;
    if (!next_event(t, h)) return code;
    await_turn(t, h);
    if (may_pass(t, h)) {
      skip_event(t, h);
      continue;
    }
    if (h.kind == EventKind::kSignal) {
      t->regs_redirected = 0;
      follow_signal(t, c.r, SignalPoint::kCallStart);
      return -1;
    }
    if (h.kind == EventKind::kTermSignal) follow_term_signal(t, h);
    if (h.kind == EventKind::kFault) {
      leader_failed(t, h);
      return code;
    }
    if (h.kind == EventKind::kExit) {
      auto leader_code = static_cast<int>(h.result);
      if (leader_code != 0 && code == 0) {
        leader_failed(t, h);
        return code;
      }
      if (leader_code != code) report_sequence_divergence(c, h);
      lane_skip(t, sizeof h);
      finish_event(t, h);
      t->lane->verdict.store(static_cast<uint32_t>(Verdict::kAgreed));
      wake_producer(t);
      return leader_code;
    }
    if (code != 0) exited_wrongly(t, t->pos, code);
    report_sequence_divergence(c, h);
    stray_from_leader(t, "exited while the other version goes on");
  }
}

}  // namespace

void release_pair(Thread* t) {
  Process* p = t->proc->shared;
  uint32_t index = static_cast<uint32_t>(p - control()->processes);
  int v = version_index(t);
  p->event_count[v].fetch_add(t->events);
  t->events = 0;
  if (!t->lane) return;
  Version mine = t->proc->version;
  bool last = !p->alive[static_cast<int>(stream::other(mine))].load() &&
              p->real_pid[static_cast<int>(stream::other(mine))];
  bool solo = p->state.load() == static_cast<uint32_t>(PairState::kSolo);
  if (last || solo) {
    for (Lane& l : stream::lanes_taken(*control()))
      if (l.in_use.load() == 1 && l.process == index) l.in_use.store(0);
  }
  if (!p->is_root) {
    forget_checkpoint(t);
    if (last || solo) p->state.store(static_cast<uint32_t>(PairState::kEnded));
  }
  p->alive[v].store(0);
}

long run_exit_group(Call& c) {
  Thread* t = c.t;
  int code = static_cast<int>(c.args[0]) & 0xff;
  if (t->role == Role::kFollower) {
    int status = follow_exit(c, code);
    if (status < 0) return c.r->rax;
    end_process(t, status);
  }
  if (t->role == Role::kLeader && !follower_gone(t)) {
    inject_fault(t);
    t->lane->verdict.store(0);
    publish_plain(t, EventKind::kExit, 0, static_cast<uint16_t>(c.nr), code, nullptr, 0);
    if (code != 0 && lane_rendezvous(t, true) == Verdict::kLeaderFailed) stop_failed(t);
    lane_flush(t);
    t->lane->activity.store(static_cast<uint32_t>(Activity::kGone));
  }
  end_process(t, code);
}

// Follower at exit(2) of one thread, as the leader's did. False: this thread does not end here.
static bool follow_thread_exit(Call& c) {
  Thread* t = c.t;
  EventHeader h;
  while (t->role == Role::kFollower) {
    // musl's threads hold a lock of libc here, until the kernel clears it: whoever has to come
    // before may be waiting for it. Nothing else is to be learnt from the leader.
    if (t->proc->exits_locked && t->lane->head.load(std::memory_order_acquire) == t->pos)
      return true;
    if (!next_event(t, h)) break;
    await_turn(t, h);
    if (may_pass(t, h)) {
      skip_event(t, h);
      continue;
    }
    switch (h.kind) {
      case EventKind::kThreadExit:
        lane_skip(t, sizeof h);
        finish_event(t, h);
        return true;
      case EventKind::kExit:  // the leader's was the last one
        run_exit_group(c);
        return false;
      case EventKind::kSignal:
        follow_signal(t, c.r, SignalPoint::kCallStart);
        return false;
      case EventKind::kTermSignal:
        follow_term_signal(t, h);
      case EventKind::kFault:
        leader_failed(t, h);
        break;
      default:
        report_sequence_divergence(c, h);
        stray_from_leader(t, "a thread ends while the other version's goes on");
    }
  }
  return true;
}

long run_exit(Call& c) {
  Thread* t = c.t;
  clear_tid_in_turn(t);
  if (t->role == Role::kFollower && !follow_thread_exit(c)) return c.r->rax;
  bool follows = t->role == Role::kFollower;
  leave_serial(t);
  forget_checkpoint(t);
  set_living(t, false);
  if (t->proc->threads.fetch_sub(1) == 1 && !follows) {
    t->proc->threads.fetch_add(1);
    set_living(t, true);
    return run_exit_group(c);
  }
  if (!follows) {
    publish_plain(t, EventKind::kThreadExit, 0, static_cast<uint16_t>(c.nr), 0, nullptr, 0);
    if (t->role == Role::kLeader) lane_flush(t);
    t->proc->shared->threads.fetch_sub(1);
  }
  pass_baton(t);
  t->proc->shared->event_count[version_index(t)].fetch_add(t->events);
  if (t->lane && t->role == Role::kLeader)
    for (int k : {stream::kRead, stream::kWritten}) {
      t->proc->shared->io_ended[k].fetch_add(t->lane->io[k]);
      t->lane->io[k] = 0;
    }
  if (t->lane) {
    if (!follows) t->lane->activity.store(static_cast<uint32_t>(Activity::kParked));
    if (t->lane->users.fetch_sub(1) == 1 || t->role == Role::kSolo) t->lane->in_use.store(0);
  }
  // The block stays until the process ends: nobody may unmap the stack a thread still stands on.
  uint64_t all = ~uint64_t{0};
  sys(__NR_rt_sigprocmask, 2, &all, nullptr, 8);
  if (t->defer_timer) sys(__NR_timer_delete, t->defer_timer - 1);
  abandon_block(t);
  mx_thread_exit(static_cast<long>(c.args[0]));
}

void prepare_wait4(Call& c) { c.exec[0] = wait_target(c.t, static_cast<int32_t>(c.args[0])); }

void prepare_waitid(Call& c) {
  constexpr uint64_t kPid = 1, kGroup = 2, kPidfd = 3;
  int32_t named = c.args[0] == kPidfd && c.t->proc->promoted ? pidfd_target(c.t, c.args[1]) : 0;
  if (named) {
    c.exec[0] = kPid;
    c.exec[1] = wait_target(c.t, named);
  } else if (c.args[0] == kPid || (c.args[0] == kGroup && c.args[1]))
    c.exec[1] = wait_target(c.t, static_cast<int32_t>(c.args[1]));
}

// The kernel adds to this process's counts what a child that it has waited for had moved (kernel,
// wait_task_zombie): in shells, which wait for each, they would say that a write of theirs was
// longer than it was (settle.h). Only where no other thread is about to move something.
void count_with_children(Thread* t) {
  Process* p = t->proc->shared;
  uint64_t io[2];
  if (t->role != Role::kLeader || follower_gone(t) || p->threads.load() > 1 || !read_own_io(io))
    return;
  for (int k : {stream::kRead, stream::kWritten}) p->io_ended[k].store(io[k] - t->lane->io[k]);
}

// The answer names the child as the program knows it, also to the version that follows.
long perform_wait4(Call& c) {
  long ret = execute(c);
  if (ret > 0) count_with_children(c.t);
  return ret > 0 && c.t->proc->promoted ? virtual_id(c.t, static_cast<int32_t>(ret)) : ret;
}

long perform_waitid(Call& c) {
  long ret = execute(c);
  auto* info = reinterpret_cast<Siginfo*>(c.args[2]);
  if (ret == 0 && (!info || info->signo))
    count_with_children(c.t);  // (WNOHANG: there may have been none)
  if (ret == 0 && c.t->proc->promoted && info && info->signo)
    info->child.pid = virtual_id(c.t, info->child.pid);
  return ret;
}

long run_wait4(Call& c) {
  Thread* t = c.t;
  if (answer_from_kept(c)) return c.ret;
  auto* status_at = reinterpret_cast<int*>(c.args[1]);
  int before = 0;
  guarded([&] { before = status_at ? *status_at : 0; });
  long ret = run_event(c);
  if (t->regs_redirected || ret <= 0) return ret;
  int status = status_at ? *status_at : 0;
  if (t->role == Role::kFollower) {
    if (has_ended(status)) follower_reaps(t, static_cast<int32_t>(ret), status);
    if (!polls_child(c) || ret == static_cast<int32_t>(c.args[0])) return ret;
    keep_answer(t, static_cast<int32_t>(ret), status);
    if (status_at) *status_at = before;
    return 0;
  }
  if (has_ended(status)) child_reaped(t, static_cast<int32_t>(ret));
  return ret;
}

long run_waitid(Call& c) {
  Thread* t = c.t;
  constexpr uint64_t kNowait = 0x01000000;
  long ret = run_event(c);
  if (t->regs_redirected || ret < 0 || !c.args[2]) return ret;
  auto* info = reinterpret_cast<Siginfo*>(c.args[2]);
  bool ended = info->signo && info->code >= 1 && info->code <= 3 && !(c.args[3] & kNowait);
  if (t->role == Role::kFollower) {
    if (ended) follower_reaps(t, info->child.pid, info->code == 1 ? 0 : info->child.status);
    return ret;
  }
  if (ended) child_reaped(t, info->child.pid);
  return ret;
}

}  // namespace mx::agent
