#include "shim/agent/checkpoint.h"

#include "shim/agent/copied_fds.h"
#include "shim/agent/failover.h"
#include "shim/agent/lane.h"
#include "shim/agent/rejoin.h"
#include "shim/agent/rest.h"
#include "shim/agent/threads.h"

namespace mx::agent {

using stream::Checkpoint;
using stream::CheckpointRefusal;
using stream::RecoveryStage;
using stream::SleeperState;

namespace {

constexpr uint64_t kCloneParent = 0x8000, kCloneFiles = 0x400, kSigchld = 17;
constexpr KernelTimespec kLongest{0, 50'000'000};

uint32_t word(SleeperState s) { return static_cast<uint32_t>(s); }
bool is(const Checkpoint& c, SleeperState s) {
  return c.state.load(std::memory_order_acquire) == word(s);
}
Checkpoint& own(Thread* t) {
  return t->proc->shared->checkpoint[static_cast<int>(t->proc->version)];
}

bool change(Checkpoint& c, SleeperState from, SleeperState to) {
  uint32_t expected = word(from);
  return c.state.compare_exchange_strong(expected, word(to));
}

void wake_sleepers(Checkpoint& c) { sys(__NR_futex, &c.state, 1 /*FUTEX_WAKE*/, 1 << 30, 0, 0, 0); }

bool holds_log(const Checkpoint& c) {
  return is(c, SleeperState::kAsleep) || is(c, SleeperState::kMaking) ||
         is(c, SleeperState::kWoken);
}

bool may_copy(Thread* t, bool event) {
  Process* p = t->proc->shared;
  return event && p->is_root && t->lane && t->role != Role::kSolo && !t->proc->is_vfork_child &&
         !t->replays && !recovers(p) &&
         p->state.load() == static_cast<uint32_t>(PairState::kPaired) && !p->failing.load();
}

// Everything that a copy needs to know of its place.
void note_places(Thread* t) {
  Process* p = t->proc->shared;
  int v = static_cast<int>(t->proc->version);
  each_thread(t->proc, [v](Thread& o) {
    if (o.lane) o.lane->checkpoint[v].store(o.pos);
  });
  own(t).turn = t->role == Role::kLeader ? p->order.load() : p->turn.load();
}

// True in the copy, when it has been woken.
bool make_copy(Thread* t) {
  Checkpoint& c = own(t);
  uint64_t started = tsc(), all = ~uint64_t{0}, old;
  if (!stop_others(t)) {
    c.refusal = static_cast<uint32_t>(CheckpointRefusal::kThreadsRun);
    return false;
  }
  c.state.store(word(SleeperState::kMaking));  // whoever slept before sees another pid, and ends
  c.pid = 0;
  c.ready.store(0);
  note_places(t);
  sys(__NR_rt_sigprocmask, 2, &all, &old, 8);
  // A leader's descriptors are its own: see own_descriptors().
  const uint64_t files = t->role == Role::kLeader ? kCloneFiles : 0;
  long pid = sys(__NR_clone, kCloneParent | files | kSigchld, 0, 0, 0, 0);
  if (pid == 0) {
    sleep_as_copy(t);
    return true;
  }
  sys(__NR_rt_sigprocmask, 2, &old, nullptr, 8);
  c.pid = static_cast<int32_t>(pid > 0 ? pid : 0);
  c.refusal = pid > 0 ? 0 : static_cast<uint32_t>(CheckpointRefusal::kNoProcess);
  c.made_tsc = tsc();
  c.cost_ticks = c.made_tsc - started;
  c.total_ticks += c.cost_ticks;
  c.count += pid > 0;
  // Whose offset in a file the copy has not noted yet must not move it.
  if (pid > 0 && has_private_files(t))
    sys(__NR_futex, &c.ready, 0 /*FUTEX_WAIT*/, 0, &kLongest, 0, 0);
  c.state.store(word(pid > 0 ? SleeperState::kAsleep : SleeperState::kNone));
  wake_sleepers(c);
  release_others(t);
  return false;
}

}  // namespace

bool looked_up(Thread* t, bool event) {
  Word& word = t->proc->shared->look_up[static_cast<int>(t->proc->version)];
  if (word.load() & stream::kStandStill) stand_still(t);
  if (!(word.load() & stream::kWantCheckpoint) || !may_copy(t, event)) return false;
  if (!(word.fetch_and(~stream::kWantCheckpoint) & stream::kWantCheckpoint)) return false;
  if (t->proc->no_copies) {
    own(t).refusal = static_cast<uint32_t>(CheckpointRefusal::kSharesMemory);
    return false;
  }
  return make_copy(t);
}

void forget_checkpoint(Thread* t, CheckpointRefusal why) {
  if (t->role == Role::kSolo || !t->proc->shared->is_root) return;
  Checkpoint& c = own(t);
  if (!change(c, SleeperState::kAsleep, SleeperState::kVoid)) return;
  c.refusal = static_cast<uint32_t>(why);
  wake_sleepers(c);
}

void forbid_checkpoints(Thread* t) {
  t->proc->no_copies = 1;
  forget_checkpoint(t, CheckpointRefusal::kSharesMemory);
}

uint64_t log_end(Thread* t) {
  Lane* l = t->lane;
  Process* p = t->proc->shared;
  uint64_t tail = l->tail.load(std::memory_order_acquire), base = tail;
  if (t->mask + 1 != stream::kLag)
    for (int v : {0, 1})
      if (uint64_t place = l->checkpoint[v].load(); holds_log(p->checkpoint[v]) && place < base)
        base = place;
  uint64_t end = base + t->mask + 1;
  if (!recovers(p) && tail + stream::kLag < end) end = tail + stream::kLag;
  return end > t->pos ? end : t->pos;
}

bool make_room(Thread* t, uint64_t n) {
  Process* p = t->proc->shared;
  uint64_t tail = t->lane->tail.load();
  bool any = false;
  for (int v : {0, 1}) {
    Checkpoint& c = p->checkpoint[v];
    if (!is(c, SleeperState::kAsleep) || t->lane->checkpoint[v].load() + t->mask + 1 >= t->pos + n)
      continue;
    if (!change(c, SleeperState::kAsleep, SleeperState::kVoid)) continue;
    c.refusal = static_cast<uint32_t>(CheckpointRefusal::kLogFull);
    wake_sleepers(c);
    any = true;
  }
  if (any || !recovers(p) || tail + t->mask + 1 >= t->pos + n) return any;
  drop_follower(t, "it could not catch up: the log is full");
  end_recovery(p);
  return true;
}

bool can_recover(const Process* p, Version v) {
  return control()->settings.recovery && p->is_root && !recovers(p) &&
         is(p->checkpoint[static_cast<int>(v)], SleeperState::kAsleep);
}

void begin_recovery(Process* p, Version v, bool led, uint32_t lane, uint64_t position) {
  stream::Recovery& r = p->recovery;
  r.version = static_cast<uint32_t>(v);
  r.lane = lane;
  r.led = led;
  r.crash_position = position;
  r.tid = 0;
  r.started_tsc = tsc();
  r.stage.store(static_cast<uint32_t>(RecoveryStage::kAsked));
}

void end_recovery(Process* p) {
  p->recovery.stage.store(static_cast<uint32_t>(RecoveryStage::kNone));
  sys(__NR_futex, &p->recovery.stage, 1 /*FUTEX_WAKE*/, 1 << 30, 0, 0, 0);
}

}  // namespace mx::agent
