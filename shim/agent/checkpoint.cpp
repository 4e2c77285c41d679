#include "shim/agent/checkpoint.h"

#include "shim/agent/children.h"
#include "shim/agent/copied_fds.h"
#include "shim/agent/copied_maps.h"
#include "shim/agent/doubt.h"
#include "shim/agent/failover.h"
#include "shim/agent/joint.h"
#include "shim/agent/keeper.h"
#include "shim/agent/lane.h"
#include "shim/agent/memory_holder.h"
#include "shim/agent/rejoin.h"
#include "shim/agent/rest.h"
#include "shim/agent/segments.h"
#include "shim/agent/threads.h"

extern "C" long mx_clone_orphan(uint64_t flags, std::atomic<int32_t>* pid);

namespace mx::agent {

using stream::Checkpoint;
using stream::CheckpointRefusal;
using stream::RecoveryStage;
using stream::Sleeper;
using stream::SleeperState;

namespace {

constexpr uint64_t kCloneParent = 0x8000, kCloneFiles = 0x400, kSettid = 0x100000, kSigchld = 17;
constexpr uint64_t kWclone = 0x80000000;
constexpr KernelTimespec kLongest{0, 50'000'000};
constexpr uint32_t kPassOver = 2000;  // calls, of a program that neither waits nor reads

Checkpoint& own(Thread* t) {
  return t->proc->shared->checkpoint[static_cast<int>(t->proc->version)];
}

void set(Sleeper& s, SleeperState to) {
  s.state.store(static_cast<uint32_t>(to));
  futex_wake(&s.state, 1 << 30);
}

// Everything that a copy needs to know of its place.
void note_places(Thread* t, uint32_t slot) {
  Process* p = t->proc->shared;
  int v = static_cast<int>(t->proc->version);
  each_thread(t->proc, [v, slot](Thread& o) {
    if (o.lane) o.lane->checkpoint[v][slot].store(o.pos);
  });
  own(t).sleepers[slot].turn = t->role == Role::kLeader ? p->order.load() : p->turn.load();
}

// A child of the monitor: the first process is one, and so is a copy of it. The copy of another
// process must not be a child of the program's, which would hear of its end.
long clone_for_monitor(Thread* t, Sleeper& s) {
  // A leader's descriptors are its own: see own_descriptors().
  const uint64_t flags = kSettid | kSigchld | (t->role == Role::kLeader ? kCloneFiles : 0);
  if (t->proc->shared->is_root) return sys(__NR_clone, kCloneParent | flags, 0, &s.pid, 0, 0);
  const long between = mx_clone_orphan(flags, &s.pid);
  if (between <= 0) return between;
  sys(__NR_wait4, between, 0, kWclone, 0);
  const int32_t copy = s.pid.load();
  return copy > 0 ? copy : kEagain;
}

// 0 in the copy, when it has been woken.
long clone_asleep(Thread* t, Sleeper& s) {
  uint64_t all = ~uint64_t{0}, old;
  sys(__NR_rt_sigprocmask, 2, &all, &old, 8);
  long pid = clone_for_monitor(t, s);
  if (pid == 0)
    sleep_as_copy(t, s);
  else
    sys(__NR_rt_sigprocmask, 2, &old, nullptr, 8);
  return pid;
}

// True in the copy, when it has been woken.
bool make_copy(Thread* t) {
  const uint64_t started = tsc();
  if (!stop_others(t)) {
    own(t).refusal = static_cast<uint32_t>(CheckpointRefusal::kThreadsRun);
    return false;
  }
  if (copy_process(t, started, 0, 0)) return true;
  release_others(t);
  return false;
}

// The one that was asked for, with others or alone, by whoever is first.
bool make_wanted(Thread* t) {
  constexpr uint32_t kAsked = stream::kWantCheckpoint | stream::kWantAtRest;
  Word& word = t->proc->shared->look_up[static_cast<int>(t->proc->version)];
  if (word.load() & stream::kWantJoint) return joined(t);
  if (!may_copy(t) || !(word.fetch_and(~kAsked) & stream::kWantCheckpoint)) return false;
  if (const auto why = why_no_copy(t); why != CheckpointRefusal::kNone) {
    own(t).refusal = static_cast<uint32_t>(why);
    return false;
  }
  return make_copy(t);
}

// Nobody may write to what the copy has yet to copy.
void await_memory(Sleeper& s) {
  constexpr int kLongestMs = 200;
  for (int waited = 0; !s.ready.load() && waited < kLongestMs; waited++)
    if (!futex_wait(&s.ready, 0, 1)) break;
  if (!s.ready.load()) give_up(s);
}

}  // namespace

bool may_copy(Thread* t) {
  Process* p = t->proc->shared;
  return t->lane && t->role != Role::kSolo && !t->proc->is_vfork_child && !t->replays &&
         !recovers(p) && p->state.load() == static_cast<uint32_t>(PairState::kPaired) &&
         !p->failing.load();
}

CheckpointRefusal why_no_copy(Thread* t) {
  if (t->proc->no_copies) return CheckpointRefusal::kSharesMemory;
  if (t->proc->has_memfd && shares_maps(t)) return CheckpointRefusal::kSharesMemory;
  if (!t->proc->shared->is_root && adopted_within(t)) return CheckpointRefusal::kAdopted;
  return CheckpointRefusal::kNone;
}

bool copy_process(Thread* t, uint64_t started, uint32_t round, uint32_t memory) {
  Checkpoint& c = own(t);
  const uint32_t slot = 1 - (c.current.load() & 1);
  Sleeper& s = c.sleepers[slot];
  if (is(s, SleeperState::kMaking)) return false;  // not ready yet
  s.pid = 0;
  s.round = round;
  s.slot = memory;
  s.ready.store(0);
  set(s, SleeperState::kMaking);
  c.refusal = 0;
  note_places(t, slot);
  const long pid = clone_asleep(t, s);
  if (pid == 0) return true;
  if (pid <= 0) c.refusal = static_cast<uint32_t>(CheckpointRefusal::kNoProcess);
  if (pid > 0 && (maps_memory_of_its_own(t) || has_segments())) await_memory(s);
  c.made_tsc = tsc();
  c.cost_ticks = c.made_tsc - started;
  c.total_ticks += c.cost_ticks;
  c.count += pid > 0;
  // Whose offset in a file the copy has not noted yet must not move it.
  if (pid > 0 && has_private_files(t))
    sys(__NR_futex, &s.ready, 0 /*FUTEX_WAIT*/, 0, &kLongest, 0, 0);
  if (pid <= 0) set(s, SleeperState::kNone);
  hold_memory(t);
  start_spare_keeper(t);
  return false;
}

bool give_up(Sleeper& s) {
  if (!change(s, SleeperState::kAsleep, SleeperState::kVoid) &&
      !change(s, SleeperState::kMaking, SleeperState::kVoid))
    return false;
  futex_wake(&s.state, 1 << 30);
  return true;
}

bool holds_log(const Sleeper& s) {
  return is(s, SleeperState::kAsleep) || is(s, SleeperState::kMaking) ||
         is(s, SleeperState::kWoken);
}

bool takes_its_place(Thread* t, Sleeper& s) {
  if (!change(s, SleeperState::kMaking, SleeperState::kAsleep)) return false;
  if (s.round) return true;  // all take their places at once: monitor/joint_checkpoints.h
  Checkpoint& c = own(t);
  Sleeper& last = current_of(c);
  c.current.store(static_cast<uint32_t>(&s - c.sleepers));
  give_up(last);
  return true;
}

bool looked_up(Thread* t, bool event) {
  Word& word = t->proc->shared->look_up[static_cast<int>(t->proc->version)];
  if (word.load() & stream::kStandStill) stand_still(t);
  keep_if_wanted(t);
  const uint32_t wanted = word.load() & (stream::kWantCheckpoint | stream::kWantJoint);
  if (!wanted || !event) return false;
  // At a call with which something new begins: in the middle of it the damage may be done.
  if (!begins_work(static_cast<long>(t->regs->nr)) && ++t->proc->passed_over < kPassOver)
    return false;
  t->proc->passed_over = 0;
  return make_wanted(t);
}

bool copied_at_rest(Thread* t) {
  // (A thread that does not wait in a call has nothing to begin anew with.)
  return t->regs && make_wanted(t);
}

void forget_checkpoint(Thread* t, CheckpointRefusal why) {
  if (t->role == Role::kSolo) return;
  Checkpoint& c = own(t);
  for (Sleeper& s : c.sleepers)
    if (give_up(s)) c.refusal = static_cast<uint32_t>(why);
}

void forbid_checkpoints(Thread* t) {
  t->proc->no_copies = 1;
  forget_checkpoint(t, CheckpointRefusal::kSharesMemory);
}

void share_memory(Thread* t) {
  const int v = static_cast<int>(t->proc->version);
  t->proc->shared->sharing[v].store(1);
  forget_checkpoint(t);
}

void share_memory_from_now(Thread* t) {
  if (!t->proc->shared->sharing[static_cast<int>(t->proc->version)].load()) share_memory(t);
}

bool can_recover(const Process* p, Version v) {
  return control()->settings.recovery && !recovers(p) &&
         is(current_of(p->checkpoint[static_cast<int>(v)]), SleeperState::kAsleep);
}

void begin_recovery(Process* p, Version v, bool led, uint32_t lane, uint64_t position,
                    uint64_t end) {
  stream::Recovery& r = p->recovery;
  r.version = static_cast<uint32_t>(v);
  r.lane = lane;
  r.led = led;
  r.crash_position = position;
  r.crash_end = end;
  r.tid = 0;
  r.started_tsc = tsc();
  r.stage.store(static_cast<uint32_t>(RecoveryStage::kAsked));
}

void end_recovery(Process* p) {
  p->recovery.stage.store(static_cast<uint32_t>(RecoveryStage::kNone));
  sys(__NR_futex, &p->recovery.stage, 1 /*FUTEX_WAKE*/, 1 << 30, 0, 0, 0);
}

}  // namespace mx::agent
