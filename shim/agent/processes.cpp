#include "shim/agent/processes.h"

#include "shim/agent/align.h"
#include "shim/agent/failover.h"
#include "shim/agent/fault.h"
#include "shim/agent/keeper.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/report.h"
#include "shim/agent/signals.h"
#include "shim/agent/threads.h"

extern "C" [[noreturn]] void mx_thread_exit(long status);

namespace mx::agent {

namespace {

constexpr int kNoHang = 1;

int version_index(Thread* t) { return static_cast<int>(t->proc->version); }

// Follower: takes the kernel's own notice of the child that the program has just waited for.
void reap(Thread* t, int32_t vpid, int status) {
  LocalProcess* p = t->proc;
  if (vpid > 0) {
    Process* pair = find_pair(vpid);
    int32_t real = pair ? pair->real_pid[version_index(t)] : 0;
    if (real > 0) {
      pair->alive[static_cast<int>(stream::other(p->version))].store(0);
      if ((status & 0x7f) == 9) sys(__NR_kill, real, 9);  // killed from outside: so is ours
      if (p->n_unreaped < 256) p->unreaped[p->n_unreaped++] = real;
    }
  }
  uint32_t left = 0;
  for (uint32_t i = 0; i < p->n_unreaped; i++) {
    long r = sys(__NR_wait4, p->unreaped[i], 0, kNoHang, 0);
    if (r == 0) p->unreaped[left++] = p->unreaped[i];
  }
  p->n_unreaped = left;
}

void mark_dead(Thread* t, int32_t vpid) {
  if (Process* pair = find_pair(vpid)) pair->alive[version_index(t)].store(0);
}

// A version that took over waits for its own children, and knows them by other numbers.
uint64_t own_target(Thread* t, int64_t pid) {
  if (pid > 0 && t->proc->promoted) return static_cast<uint64_t>(int64_t{real_id(t, pid)});
  return static_cast<uint64_t>(pid);
}

bool gone(int status) { return (status & 0xff) != 0x7f && status != 0xffff; }

[[noreturn]] void end_process(Thread* t, int code) {
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
    switch (lane_wait(t, sizeof h)) {
      case Wait::kDropped:
        end_follower(t);
      case Wait::kLeaderGone:
        take_over(t);
        return code;
      case Wait::kReady:
        break;
    }
    lane_peek(t, 0, &h, sizeof h);
    await_turn(t, h);
    bool skippable = h.kind == EventKind::kQuery || h.kind == EventKind::kPrivateOpen ||
                     (h.kind == EventKind::kCall && harmless(sys::describe(h.nr)));
    if (skippable) {
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
    if (code != 0) {
      Message* m = new_message(t, MessageKind::kCrash);
      if (m) {
        m->number[1] = t->proc->real_pid;
        m->number[2] = code;
      }
      send(m);
      leave_as_follower(t, "exited wrongly");
    }
    report_sequence_divergence(c, h);
    leave_as_follower(t, "exited while the other version goes on");
  }
}

}  // namespace

Process* find_pair(int32_t vpid) {
  for (Process& p : control()->processes)
    if (p.vpid == vpid && p.state.load() != 0 && (p.alive[0].load() || p.alive[1].load())) return &p;
  return nullptr;
}

int32_t real_id(Thread* t, int32_t vpid) {
  Process* pair = find_pair(vpid);
  if (!pair) return vpid;
  int32_t real = pair->real_pid[version_index(t)];
  return real > 0 && pair->alive[version_index(t)].load() ? real : vpid;
}

int32_t virtual_id(Thread* t, int32_t real) {
  for (Process& p : control()->processes)
    if (p.real_pid[version_index(t)] == real && p.state.load() != 0 && p.vpid) return p.vpid;
  return real;
}

void release_pair(Thread* t) {
  Process* p = t->proc->shared;
  uint32_t index = static_cast<uint32_t>(p - control()->processes);
  int v = version_index(t);
  p->event_count[v].fetch_add(t->events);
  t->events = 0;
  if (!t->lane) return;
  Version mine = t->proc->version;
  bool last = !p->alive[static_cast<int>(stream::other(mine))].load() && p->real_pid[static_cast<int>(stream::other(mine))];
  bool solo = p->state.load() == static_cast<uint32_t>(PairState::kSolo);
  if (last || solo) {
    for (Lane& l : control()->lanes)
      if (l.in_use.load() == 1 && l.process == index) l.in_use.store(0);
  }
  if (!p->is_root) {
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
    publish_plain(t, EventKind::kExit, 0, static_cast<uint16_t>(c.r->nr), code, nullptr, 0);
    if (code != 0 && lane_rendezvous(t, true) == Verdict::kLeaderFailed) become_husk(t);
    lane_flush(t);
    t->lane->activity.store(static_cast<uint32_t>(Activity::kGone));
  }
  end_process(t, code);
}

long run_exit(Call& c) {
  Thread* t = c.t;
  if (t->proc->threads.load() <= 1) return run_exit_group(c);
  if (t->role == Role::kFollower) {
    EventHeader h;
    for (;;) {
      Wait w = lane_wait(t, sizeof h);
      if (w != Wait::kReady) break;
      lane_peek(t, 0, &h, sizeof h);
      await_turn(t, h);
      lane_skip(t, sizeof h + stream::padded(h.size));
      finish_event(t, h);
      if (h.kind == EventKind::kThreadExit) break;
    }
  } else {
    publish_plain(t, EventKind::kThreadExit, 0, static_cast<uint16_t>(c.r->nr), 0, nullptr, 0);
    if (t->role == Role::kLeader) lane_flush(t);
    t->proc->shared->threads.fetch_sub(1);
  }
  t->proc->threads.fetch_sub(1);
  t->proc->shared->event_count[version_index(t)].fetch_add(t->events);
  if (t->lane) {
    t->lane->activity.store(static_cast<uint32_t>(Activity::kParked));
    if (t->lane->users.fetch_sub(1) == 1 || t->role == Role::kSolo) t->lane->in_use.store(0);
  }
  // The block stays until the process ends: nobody may unmap the stack a thread still stands on.
  uint64_t all = ~uint64_t{0};
  sys(__NR_rt_sigprocmask, 2, &all, nullptr, 8);
  if (t->defer_timer) sys(__NR_timer_delete, t->defer_timer - 1);
  abandon_block(t);
  mx_thread_exit(static_cast<long>(c.args[0]));
}

long run_wait4(Call& c) {
  Thread* t = c.t;
  if (t->role != Role::kFollower) c.exec[0] = own_target(t, static_cast<int32_t>(c.args[0]));
  long ret = run_event(c);
  if (t->regs_redirected || ret <= 0) return ret;
  int status = c.args[1] ? *reinterpret_cast<int*>(c.args[1]) : 0;
  if (t->role == Role::kFollower) {
    if (gone(status)) reap(t, static_cast<int32_t>(ret), status);
    return ret;
  }
  if (t->proc->promoted) ret = virtual_id(t, static_cast<int32_t>(ret));
  if (gone(status)) mark_dead(t, static_cast<int32_t>(ret));
  return ret;
}

long run_waitid(Call& c) {
  Thread* t = c.t;
  constexpr uint64_t kPid = 1, kNowait = 0x01000000;
  if (t->role != Role::kFollower && c.args[0] == kPid)
    c.exec[1] = own_target(t, static_cast<int32_t>(c.args[1]));
  long ret = run_event(c);
  if (t->regs_redirected || ret < 0 || !c.args[2]) return ret;
  auto* info = reinterpret_cast<Siginfo*>(c.args[2]);
  bool ended = info->signo && info->code >= 1 && info->code <= 3 && !(c.args[3] & kNowait);
  if (t->role == Role::kFollower) {
    if (ended) reap(t, info->child.pid, info->code == 1 ? 0 : info->child.status);
    return ret;
  }
  if (t->proc->promoted && info->signo) info->child.pid = virtual_id(t, info->child.pid);
  if (ended) mark_dead(t, info->child.pid);
  return ret;
}

namespace {
bool to_self(Thread* t, int64_t pid, int64_t tid) {
  return pid == t->proc->vpid && (tid == 0 || tid == t->vtid);
}

void before_kill(Call& c, int64_t pid, int64_t tid, uint64_t sig) {
  if (sig == 6 && to_self(c.t, pid, tid)) judge_abort(c.t, 6);
}
}  // namespace

long run_kill(Call& c) {
  Thread* t = c.t;
  auto pid = static_cast<int32_t>(c.args[0]);
  before_kill(c, pid, 0, c.args[1]);
  if (t->role != Role::kFollower && t->proc->promoted && pid > 0) {
    Process* pair = find_pair(pid);
    bool stands = pair && pair->husk.load();
    if (pid == t->proc->vpid || !stands) c.exec[0] = static_cast<uint64_t>(int64_t{real_id(t, pid)});
  }
  return run_event(c);
}

// tkill, tgkill, rt_tgsigqueueinfo: thread ids are the leader's.
long run_tgkill(Call& c) {
  Thread* t = c.t;
  bool group = c.r->nr != __NR_tkill;
  int64_t tid = static_cast<int32_t>(c.args[group ? 1 : 0]);
  int64_t pid = group ? static_cast<int32_t>(c.args[0]) : t->proc->vpid;
  before_kill(c, pid, tid, c.args[group ? 2 : 1]);
  if (t->role != Role::kFollower && t->proc->promoted && pid == t->proc->vpid) {
    if (group) c.exec[0] = t->proc->real_pid;
    auto index = static_cast<uint32_t>(t->proc->shared - control()->processes);
    for (Lane& l : control()->lanes)
      if (l.in_use.load() && l.process == index && l.vtid == tid)
        c.exec[group ? 1 : 0] = l.real_tid[version_index(t)];
    if (tid == t->vtid) c.exec[group ? 1 : 0] = t->tid;
  }
  return run_event(c);
}

}  // namespace mx::agent
