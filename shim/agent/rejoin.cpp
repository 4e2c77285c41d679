#include "shim/agent/rejoin.h"

#include "shim/agent/borrowed.h"
#include "shim/agent/checkpoint.h"
#include "shim/agent/children.h"
#include "shim/agent/copied_fds.h"
#include "shim/agent/copied_maps.h"
#include "shim/agent/copied_memory.h"
#include "shim/agent/doubt.h"
#include "shim/agent/failover.h"
#include "shim/agent/joint.h"
#include "shim/agent/joint_files.h"
#include "shim/agent/lane.h"
#include "shim/agent/mapped_files.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/pace.h"
#include "shim/agent/patch.h"
#include "shim/agent/report.h"
#include "shim/agent/signals.h"
#include "shim/agent/thread_names.h"
#include "shim/agent/threads.h"
#include "shim/agent/warm.h"
#include "shim/agent/witness.h"

extern "C" {
long mx_clone_rested(uint64_t flags, uint64_t stack, mx::agent::Resting*, uint64_t ctid,
                     uint64_t tls, mx::agent::Thread* child);
}

namespace mx::agent {

using stream::CheckpointRefusal;
using stream::Recovery;
using stream::RecoveryStage;
using stream::Sleeper;
using stream::SleeperState;

namespace {

constexpr uint64_t kRedZone = 256;
constexpr uint64_t kSetName = 15, kGetName = 16;  // of prctl

Recovery& recovery(Thread* t) { return t->proc->shared->recovery; }
bool is(const Recovery& r, RecoveryStage s) {
  return r.stage.load(std::memory_order_acquire) == static_cast<uint32_t>(s);
}

bool change(Recovery& r, RecoveryStage from, RecoveryStage to) {
  auto expected = static_cast<uint32_t>(from);
  return r.stage.compare_exchange_strong(expected, static_cast<uint32_t>(to));
}

void await_wake_up(Sleeper& s, int32_t self) {
  constexpr int kWarmUps[] = {20, 200, -1};  // milliseconds of sleep before each
  for (int round = 0;;) {
    uint32_t now = s.state.load();
    auto state = static_cast<SleeperState>(now);
    bool mine = s.pid.load() == self;
    if (state == SleeperState::kWoken && mine) return;
    if (!mine || (state != SleeperState::kMaking && state != SleeperState::kAsleep))
      sys(__NR_exit_group, 0);
    if (futex_wait(&s.state, now, kWarmUps[round]) != kEtimedout) continue;
    warm_up();
    round++;
  }
}

// Of a process that is no child of the monitor: its parent ends, see clone_for_monitor(). Only then
// may it ask to end with its parent.
bool await_adoption(const Thread* t) {
  constexpr int kLongestMs = 5000;
  if (t->proc->shared->is_root) return true;
  Word never{0};
  for (int waited = 0; sys(__NR_getppid) != control()->settings.monitor_pid; waited++) {
    if (waited == kLongestMs) return false;
    futex_wait(&never, 0, 1);
  }
  return true;
}

// What it was as a leader, or knew of events that come again.
void become_follower(Thread* t) {
  t->role = Role::kFollower;
  t->pending = t->kicked = t->announced = t->intents = t->signal_follows = 0;
  t->held = t->ticket = t->kick_at = 0;
  t->defer_timer = t->die_after = t->inherits = t->busy = t->stray_lane = 0;
  t->replays = 1;
  t->saw_call = kSawNothing;
  if (t->lane) t->limit = t->pos;
}

void take_place(Thread* t) {
  Lane* l = t->lane;
  if (!l) return;
  l->tail.store(t->pos);
  t->replay_end = l->head.load();
  l->catch_up_head = 0;
  l->consumer_waits.store(0);
  l->real_tid[static_cast<int>(t->proc->version)] = t->tid;
}

// From here on the survivor may have to wait for it.
void begin_to_catch_up(Thread* t) {
  each_thread(t->proc, [](Thread& o) {
    if (!o.lane) return;
    o.lane->catch_up_tail = o.lane->tail.load();
    o.lane->catch_up_head = o.lane->head.load();
  });
}

// What the kernel keeps of a thread and does not copy.
void restore_thread(Thread* t, bool anew) {
  if (anew && t->rseq[0]) sys(__NR_rseq, t->rseq[0], t->rseq[1], t->rseq[2], t->rseq[3]);
  if (t->clear_tid) sys(__NR_set_tid_address, t->clear_tid);
  if (t->robust_list[0]) sys(__NR_set_robust_list, t->robust_list[0], t->robust_list[1]);
}

void restart_thread(Thread* t) {
  constexpr uint64_t kFlags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x80000;
  // VM FS FILES SIGHAND THREAD SYSVSEM SETTLS
  uint64_t stack = (t->rest.rsp - kRedZone) & ~uint64_t{15};
  if (mx_clone_rested(kFlags, stack, &t->rest, 0, t->fs_base, t) < 0)
    leave_as_follower(t, "a thread could not be made anew");
}

void report_stage(Thread* t) {
  Message* m = new_message(t, MessageKind::kRecovery);
  if (m) m->number[0] = recovery(t).stage.load();
  send(m);
}

// True if it stood.
bool stand(Thread* t, RecoveryStage from, RecoveryStage here) {
  Recovery& r = recovery(t);
  r.tid = t->tid;
  if (!is(r, from)) return false;
  t->regs->rip = original(t->regs->rip);  // as the program, and its unwinding data, know it
  change(r, from, here);
  report_stage(t);
  while (is(r, here)) {
    if (follower_must_end(t)) end_follower(t);
    sys(__NR_futex, &r.stage, 0 /*FUTEX_WAIT*/, static_cast<uint32_t>(here), nullptr, 0, 0);
  }
  t->regs->rip = relocated(t->regs->rip);
  return true;
}

bool on_crash_lane(Thread* t) { return recovery(t).lane == t->lane_index + 1; }

// What the failed leader did where the survivor went another way; and that it failed: it waited for
// an answer that came long ago.
bool history(Thread* t, const EventHeader& h) {
  const Recovery& r = recovery(t);
  if (t->pos >= t->replay_end) return false;
  if (on_crash_lane(t) && t->pos >= r.crash_position && t->pos < r.crash_end) return true;
  return failure(h) && t->limit - t->pos > sizeof h + stream::padded(h.size);
}

// What the crash came from began with the call that has just ended: from here on the other
// version's code is to run. The last round of its event loop, else what it read last: it may have
// gone wrong before the last event, which can be a look at the clock, or the next client's request.
bool last_beginning(Thread* t, Saw call) {
  if (call != kSawWait && call != kSawInput) return false;
  const uint64_t end = recovery(t).crash_position;
  EventHeader h;
  for (uint64_t at = t->pos; at < end; at += sizeof h + stream::padded(h.size)) {
    lane_peek(t, at - t->pos, &h, sizeof h);
    if (waits_for_work(h) || (call == kSawInput && takes_input(h))) return false;
  }
  return t->pos < end;
}

bool carried_over(Thread* t) {
  const Recovery& r = recovery(t);
  if (!r.lane) return is(r, RecoveryStage::kReplaying);
  if (is(r, RecoveryStage::kBack)) return true;
  // It has passed the place of the crash without having stood there (a signal in between, say).
  return is(r, RecoveryStage::kReplaying) && on_crash_lane(t) && t->pos > r.crash_position;
}

void finish_if_caught_up(Thread* t) {
  Recovery& r = recovery(t);
  if (t->limit - t->pos > near_enough() || t->pos < t->replay_end || !carried_over(t)) return;
  if (r.lane && !on_crash_lane(t)) return;
  uint32_t stage = r.stage.load();
  if (stage == 0 || !r.stage.compare_exchange_strong(stage, 0)) return;
  report_stage(t);
}

// In the copy: it cannot be made. The process that waits for it goes on.
[[noreturn]] void give_up_copy(Thread* t, Sleeper& s, CheckpointRefusal why) {
  const int v = static_cast<int>(t->proc->version);
  t->proc->shared->checkpoint[v].refusal = static_cast<uint32_t>(why);
  give_up(s);
  s.ready.store(1);
  futex_wake(&s.ready, 1);
  sys(__NR_exit_group, 0);
  __builtin_unreachable();
}

}  // namespace

void sleep_as_copy(Thread* t, Sleeper& s) {
  Process* p = t->proc->shared;
  int v = static_cast<int>(t->proc->version);
  auto self = static_cast<int32_t>(sys(__NR_getpid));
  char name[16];
  if (!await_adoption(t)) sys(__NR_exit_group, 0);
  sys(__NR_prctl, 1 /*PR_SET_PDEATHSIG*/, 9);
  sys(__NR_prctl, kGetName, name);
  sys(__NR_prctl, kSetName, "mx-checkpoint");
  if (!own_descriptors(t, t->proc->real_pid))
    give_up_copy(t, s,
                 is_full() ? CheckpointRefusal::kTooMuchShared : CheckpointRefusal::kMappedFile);
  const bool led = t->role != Role::kFollower;
  // What it reads from here on (own_maps, warm_up) is not the leader's: who survives a SIGKILL of
  // that one tells by the bytes that its lanes count whether a call was executed.
  t->role = Role::kFollower;
  if (const auto why = own_maps(t, s.round != 0); why != CheckpointRefusal::kNone)
    give_up_copy(t, s, why);
  forget_files(!led);
  if (!replace_segments(s)) give_up_copy(t, s, CheckpointRefusal::kSharesMemory);
  note_thread_names(t);
  if (!takes_its_place(t, s)) sys(__NR_exit_group, 0);
  s.ready.store(1);
  futex_wake(&s.ready, 1);
  await_wake_up(s, self);
  const bool elsewhere = leave_witness(t) || !p->is_root;  // the parent had no rseq area to inherit
  if (elsewhere) self = static_cast<int32_t>(sys(__NR_getpid));

  sys(__NR_prctl, kSetName, name);
  t->proc->real_pid = t->tid = self;
  t->proc->promoted = 0;
  each_thread(t->proc, [](Thread& o) { forget_borrowed(&o); });
  run_as_usual(t);  // and with it the threads that it makes anew
  each_thread(t->proc, [](Thread& o) {
    o.gives_way = 0;
    become_follower(&o);
  });
  each_thread(t->proc, [](Thread& o) { take_place(&o); });
  map_shared_copies(t, s);
  note_children(t);
  p->turn.store(s.turn);
  p->alive[v].store(1);
  p->real_pid[v] = self;
  announce_all_mapped(t);
  p->look_up[v].store(0);
  if (!recovery(t).lane) begin_to_catch_up(t);
  change(recovery(t), RecoveryStage::kAsked, RecoveryStage::kReplaying);
  s.state.store(static_cast<uint32_t>(SleeperState::kNone));
  restore_thread(t, elsewhere);
  each_thread(t->proc, [t](Thread& o) {
    if (&o != t) restart_thread(&o);
  });
  apply_mask(t, t->trap);
}

void at_boundary(Thread* t) {
  // (From then on it reads the ring only.)
  constexpr uint64_t kClose = stream::kLag / 2;
  if (!recovers(t->proc->shared) && t->pos >= t->replay_end && t->limit - t->pos <= kClose) {
    t->replays = 0;
    give_way(t);
    return;
  }
  EventHeader h;
  while (t->limit - t->pos >= sizeof h) {
    lane_peek(t, 0, &h, sizeof h);
    if (!history(t, h)) break;
    await_turn(t, h);
    t->pos += sizeof h + stream::padded(h.size);
    finish_event(t, h);
  }
  finish_if_caught_up(t);
}

void at_call_end(Thread* t) {
  Recovery& r = recovery(t);
  const auto call = t->saw_call;
  t->saw_call = kSawNothing;
  if (!on_crash_lane(t)) return;
  if (t->pos == r.crash_position || last_beginning(t, call))
    stand(t, RecoveryStage::kReplaying, RecoveryStage::kAtCrash);
  else if (call && t->pos > r.crash_position &&
           stand(t, RecoveryStage::kOver, RecoveryStage::kAtDivergence))
    begin_to_catch_up(t);
}

}  // namespace mx::agent

using namespace mx::agent;

// First code of a thread that is made anew, on its own agent stack below what stands there.
extern "C" void mx_rested_start(Thread* t) {
  t->tid = static_cast<int32_t>(sys(__NR_gettid));
  set_gs(t);
  init_thread_stack(t);
  restore_thread(t, true);
  take_thread_name(t);
  if (t->lane) t->lane->real_tid[static_cast<int>(t->proc->version)] = t->tid;
  t->at_rest.store(0);
  apply_mask(t, nullptr);
}
