// fork, vfork, clone, clone3: a new pair of processes or of threads.
#include "shim/agent/align.h"
#include "shim/agent/baton.h"
#include "shim/agent/borrowed.h"
#include "shim/agent/checkpoint.h"
#include "shim/agent/children.h"
#include "shim/agent/copied_maps.h"
#include "shim/agent/failover.h"
#include "shim/agent/fds.h"
#include "shim/agent/flight.h"
#include "shim/agent/mapped_files.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/own_io.h"
#include "shim/agent/own_words.h"
#include "shim/agent/pair.h"
#include "shim/agent/patch.h"
#include "shim/agent/processes.h"
#include "shim/agent/report.h"
#include "shim/agent/serialized.h"
#include "shim/agent/settle.h"
#include "shim/agent/signals.h"
#include "shim/agent/threads.h"

extern "C" long mx_clone(uint64_t flags, void* stack, void* ptid, void* ctid, void* tls,
                         mx::agent::Thread* child);
extern "C" void mx_thread_start(mx::agent::Thread* t, mx::agent::Regs* r);

namespace mx::agent {

namespace {

constexpr uint64_t kVm = 0x100, kVfork = 0x4000, kThread = 0x10000, kParentSettid = 0x100000,
                   kChildSettid = 0x1000000, kUntraced = 0x800000;

struct Request {
  uint64_t flags, stack, ptid, ctid, tls, pidfd;
};

// What the leader tells the follower of the new pair.
struct Born {
  uint32_t process, lane;
};

uint64_t block_signals() {
  uint64_t all = ~uint64_t{0} & ~kNeverBlocked, old;
  sys(__NR_rt_sigprocmask, 2, &all, &old, 8);
  return old;
}
void unblock_signals(uint64_t old) { sys(__NR_rt_sigprocmask, 2, &old, nullptr, 8); }

bool leads(Thread* t) { return t->role == Role::kLeader && !follower_gone(t); }

// The child's state starts as its parent's, in its own Thread.
void inherit(Thread* child, const Thread* parent) {
  child->role = parent->role;
  child->vmask = parent->vmask;
  child->gives_way = parent->gives_way;
  child->altstack.flags = 2;
}

// In the new process (not sharing memory): this thread is now the first of a new pair.
void begin_process(Thread* t, const Born& born, int32_t vpid) {
  LocalProcess* p = t->proc;
  int v = static_cast<int>(p->version);
  p->real_pid = static_cast<int32_t>(sys(__NR_getpid));
  t->tid = p->real_pid;
  t->pending = t->kicked = t->signal_follows = t->intents = 0;
  t->defer_timer = 0;
  t->kick_at = 0;
  t->die_after = 0;
  t->inherits = kNoCall;
  t->events = t->looked_events = 0;
  t->looked_tsc = tsc();
  p->threads.store(1);
  if (!p->is_vfork_child) {
    if (p->multi_threaded) forget_opened();
    p->multi_threaded = 0;
    free_serials(t);
    only_living(t);
  }
  t->at_rest.store(0);
  t->replays = 0;
  forget_borrowed(t);
  if (p->promoted && t->role == Role::kFollower) close_all_shared(t);
  p->promoted = 0;
  p->n_unreaped = p->n_children = p->n_sent = p->n_kept = 0;
  for (TimerRecord& timer : p->timers) timer.used = 0;
  for (auto& it : p->itimer_deadline) it[0] = it[1] = 0;
  if (vpid == 0) vpid = p->real_pid;
  p->vpid = t->vtid = vpid;
  if (born.process >= stream::kMaxProcesses) {  // no pair: this process runs alone
    t->role = Role::kSolo;
    p->shared = &control()->processes[stream::kMaxProcesses - 1];
    return;
  }
  Process* parent = p->shared;
  p->shared = &control()->processes[born.process];
  p->shared->shared_slot[v].store(parent->shared_slot[v].load());
  p->shared->vpid = vpid;        // its maker may have been killed in the call
  p->shared->alive[v].store(1);  // before the pid: who sees the pid may judge by this
  std::atomic_thread_fence(std::memory_order_seq_cst);
  // A maker that is killed at this moment may come back, and make it once more: one of the two.
  if (int32_t none = 0; !__atomic_compare_exchange_n(&p->shared->real_pid[v], &none, p->real_pid,
                                                     false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
    sys(__NR_exit_group, 0);
  p->shared->maps_files[v].store(0);
  if (!p->is_vfork_child) announce_all_mapped(t);
  use_lane(t, born.lane);
  begin_baton(t);
  if (t->gives_way) p->shared->gives_way.store(1);
  Message* m = new_message(t, MessageKind::kProcess);
  if (m) m->number[0] = p->real_pid;
  send(m);
}

Born prepare_pair(Thread* t) {
  Born born{~0u, ~0u};
  if (t->role == Role::kFollower) return born;
  Process* pair = new_pair();
  if (!pair) return born;
  born.process = static_cast<uint32_t>(pair - control()->processes);
  born.lane = new_lane(born.process);
  if (born.lane == kNoLane) {
    pair->state.store(0);
    born.process = ~0u;
    return born;
  }
  pair->leader.store(static_cast<uint32_t>(t->proc->version));
  pair->vppid = t->proc->vpid;
  pair->lane[0] = pair->lane[1] = born.lane;
  pair->threads.store(1);
  pair->max_fd.store(t->proc->max_fd);
  pair->own_policy.store(t->proc->shared->own_policy.load());
  for (stream::Image& image : pair->image) image = image_of(t);
  // From now on, in both versions: one that is yet to come to rest must not be overlooked
  // (joint.h).
  const int own = static_cast<int>(t->proc->version);
  for (stream::Word& shares : pair->sharing) shares.store(t->proc->shared->sharing[own].load());
  if (maps_memory_of_its_own(t))
    for (stream::Word& from : pair->maps_from) from.store(family_of_maps(t));
  pair->state.store(static_cast<uint32_t>(leads(t) ? PairState::kPaired : PairState::kSolo));
  return born;
}

void drop_pair(const Born& born) {
  if (born.process >= stream::kMaxProcesses) return;
  control()->lanes[born.lane].in_use.store(0);
  control()->processes[born.process].state.store(0);
}

void write_tid(uint64_t at, int32_t vtid) {
  if (at && vtid) *reinterpret_cast<int32_t*>(at) = vtid;
}

// A new process with a copy of the memory.
long fork_plain(Call& c, const Request& q, const Born& born, int32_t vpid) {
  Thread* t = c.t;
  uint64_t old = block_signals();
  int32_t* child = leads(t) ? &t->lane->flight.child : nullptr;
  uint64_t flags = (q.flags & ~kUntraced) | (child ? kParentSettid : 0);
  long ret =
      sys(__NR_clone, flags, 0, child ? reinterpret_cast<uint64_t>(child) : q.ptid, q.ctid, q.tls);
  if (child && ret > 0 && (q.flags & kParentSettid)) write_tid(q.ptid, static_cast<int32_t>(ret));
  if (ret == 0) {
    begin_process(t, born, vpid);
    if (q.flags & kChildSettid) write_tid(q.ctid, t->vtid);
    if (q.stack) c.r->rsp = q.stack;
  }
  unblock_signals(old);
  return ret;
}

// A new process that shares memory (vfork, posix_spawn): its own Thread and tables.
long fork_shared(Call& c, const Request& q, const Born& born, int32_t vpid) {
  Thread* t = c.t;
  LocalProcess* p = new_process();
  Thread* child = p ? new_thread(p) : nullptr;
  if (!child) return kEnomem;
  uint32_t index = p->index;
  memcpy(p, t->proc,
         __builtin_offsetof(LocalProcess, fds) + sizeof t->proc->fds[0] * (t->proc->max_fd + 1));
  p->index = index;
  p->is_vfork_child = 1;
  inherit(child, t);
  child->altstack = t->altstack;
  child->start_process = born.process;
  child->start_lane = born.lane;
  child->start_vpid = vpid;
  Regs* r = reinterpret_cast<Regs*>(child->stack_top) - 1;
  *r = *c.r;
  r->rax = 0;
  if (q.stack) r->rsp = q.stack;
  if (q.flags & 0x80000) child->start_tls = q.tls;
  uint64_t old = block_signals();
  child->start_mask = old;
  child->start_call = t->role == Role::kLeader && (q.flags & kVfork) ? &c : nullptr;
  int32_t* told = leads(t) ? &t->lane->flight.child : nullptr;
  uint64_t flags = (q.flags & ~kUntraced) | (told ? kParentSettid : 0);
  long ret = mx_clone(flags, r, told ? static_cast<void*>(told) : reinterpret_cast<void*>(q.ptid),
                      reinterpret_cast<void*>(q.ctid), reinterpret_cast<void*>(q.tls), child);
  if (told && ret > 0 && (q.flags & kParentSettid)) write_tid(q.ptid, static_cast<int32_t>(ret));
  if (ret < 0 || (q.flags & kVfork)) {  // the child has called exec or ended: its tables are free
    free_thread(child);
    free_process(p);
  }
  unblock_signals(old);
  return ret;
}

long make_child(Call& c, const Request& q, const Born& born, int32_t vpid) {
  return q.flags & kVm ? fork_shared(c, q, born, vpid) : fork_plain(c, q, born, vpid);
}

// A checkpoint stays good: a copy that catches up comes to the birth, and makes no other child
// (is_due()). Who shares memory has checkpoints together with the child, and what a child does in
// its parent's memory is in no event.
bool outlives_birth(Thread* t, const Request& q) {
  const bool shares = t->proc->shared->sharing[static_cast<int>(t->proc->version)].load() ||
                      maps_memory_of_its_own(t);
  return !(q.flags & kVm) && !shares;
}

// In a version that catches up: whether its process of the pair, which
// the leader has made, has yet to be made. It is there if the version
// had come this far before it failed; and may have ended since.
bool is_due(const Process& pair, int version) {
  const auto state = static_cast<PairState>(pair.state.load());
  return pair.real_pid[version] == 0 &&
         (state == PairState::kPaired || state == PairState::kFailover);
}

// The other version has made a child and this one knows its id, c.ret: makes its own, which follows
// that one.
long pair_child(Call& c, const Request& q, const Born& born) {
  Thread* t = c.t;
  const auto vpid = static_cast<int32_t>(c.ret);
  if (vpid < 0 || born.process >= stream::kMaxProcesses)
    return vpid;  // none, or one that runs alone
  const Process& pair = control()->processes[born.process];
  if (pair.leader.load() == static_cast<uint32_t>(t->proc->version)) {  // from before its crash
    child_born(t, vpid, pair.real_pid[static_cast<int>(t->proc->version)]);
    return vpid;
  }
  if (const int v = static_cast<int>(t->proc->version); t->replays && !is_due(pair, v)) {
    if (pair.alive[v].load()) child_born(t, vpid, pair.real_pid[v]);
    if (q.flags & kParentSettid) write_tid(q.ptid, vpid);
    return vpid;
  }
  const Role role = t->role;
  t->role = Role::kFollower;  // of the child, even where this process leads
  if (!outlives_birth(t, q)) forget_checkpoint(t);
  long own = make_child(c, q, born, vpid);
  if (own == 0) return 0;
  t->role = role;
  if (own < 0) leave_as_follower(t, "fork failed in the follower");
  child_born(t, vpid, static_cast<int32_t>(own));
  if (q.flags & kParentSettid) write_tid(q.ptid, vpid);
  return vpid;
}

// A thread's event, or rubbish, names another pair.
bool names_child(const Born& born, long vpid) {
  return vpid < 0 || born.process >= stream::kMaxProcesses ||
         control()->processes[born.process].vpid == vpid;
}

long fork_pair(Call& c, const Request& q) {
  Thread* t = c.t;
  const bool shares = q.flags & kVm;
  if (!shares && maps_files()) share_memory_from_now(t);  // the child inherits the files
  Born born{~0u, ~0u};
  c.blob = reinterpret_cast<uint64_t>(&born);
  c.blob_size = sizeof born;
  if (t->role == Role::kFollower) {
    EventHeader h;
    Match m = follower_match(c, h);
    if (m == Match::kRedirected) return c.r->rax;
    if (m == Match::kMatched) {
      follower_take(c, h);
      if (!names_child(born, c.ret)) {
        if (t->replays) return c.ret;  // the child has ended since, and its place is another one's
        leave_as_follower(t, "the leader has made no child");
      }
      return pair_child(c, q, born);
    }
  }
  if ((c.ret = settle_child(t, born.process, born.lane))) {
    if (t->role == Role::kLeader) publish(c, EventKind::kCall, 0);
    return pair_child(c, q, born);
  }
  born = prepare_pair(t);
  if (t->role == Role::kLeader) leader_begin(c);
  if (!outlives_birth(t, q)) forget_checkpoint(t);
  if (t->role == Role::kLeader) {
    t->lane->flight.born_process = born.process;
    t->lane->flight.born_lane = born.lane;
  }
  long ret = make_child(c, q, born, 0);
  if (ret == 0) return 0;
  if (ret == kEagain &&
      leads(t)) {  // the follower may not have reaped its children yet: they count too
    lane_rendezvous(t, false);
    ret = make_child(c, q, born, 0);
    if (ret == 0) return 0;
  }
  c.ret = ret;
  end_flight(t, ret);
  if (ret > 0 && born.process < stream::kMaxProcesses) {
    Process& pair = control()->processes[born.process];
    pair.vpid = static_cast<int32_t>(ret);
  }
  if (ret < 0) drop_pair(born);
  bool told = ret > 0 && shares && (q.flags & kVfork);  // by the child, while this thread slept
  if (t->role == Role::kLeader && !told) publish(c, EventKind::kCall, 0);
  return ret;
}

// A thread begins when the event of its creation is published: a leader that is killed in between
// has no thread whose events nobody can take.
void release_thread(Thread* child) {
  child->released.store(1);
  futex_wake(&child->released, 1);
}

void await_release(Thread* t) {
  constexpr int kSpins = 100;
  for (int spin = 0; !t->released.load(); spin++) {
    if (spin < kSpins)
      pause();
    else
      futex_wait(&t->released, 0, -1);
  }
}

constexpr uint64_t kChildCleartid = 0x200000, kSetTls = 0x80000;

// musl: the word that the kernel clears at the end of a thread is a lock, which its creator holds
// now.
void note_exit_lock(Thread* t, const Request& q) {
  if ((q.flags & kChildCleartid) && readable(reinterpret_cast<void*>(q.ctid), 4) &&
      *reinterpret_cast<int32_t*>(q.ctid) == t->vtid)
    t->proc->exits_locked = 1;
}

// As it is to be when it runs. Null: no room.
Thread* prepare_thread(const Call& c, const Request& q) {
  Thread* child = new_thread(c.t->proc);
  if (!child) return nullptr;
  inherit(child, c.t);
  child->passed_baton = control()->settings.serial_threads;
  Regs* r = reinterpret_cast<Regs*>(child->stack_top) - 1;
  *r = *c.r;
  r->rax = 0;
  r->rsp = q.stack;
  return child;
}

// `vtid`: what the program knows it as; 0: the number that the kernel gives it.
long start_thread(Thread* t, Thread* child, const Request& q, uint32_t lane, int32_t vtid) {
  uint64_t old = block_signals();
  child->start_process = ~0u;
  child->start_lane = lane;
  child->start_vpid = vtid;
  child->start_mask = old;
  child->start_ctid = (q.flags & kChildSettid) ? q.ctid : 0;
  child->fs_base = (q.flags & kSetTls) ? q.tls : t->fs_base;
  child->clear_tid = (q.flags & kChildCleartid) ? q.ctid : 0;
  forget_checkpoint(t);
  t->proc->threads.fetch_add(1);
  t->proc->multi_threaded = 1;
  Regs* r = reinterpret_cast<Regs*>(child->stack_top) - 1;
  long ret = mx_clone(q.flags & ~kUntraced, r, reinterpret_cast<void*>(q.ptid),
                      reinterpret_cast<void*>(q.ctid), reinterpret_cast<void*>(q.tls), child);
  unblock_signals(old);
  if (ret < 0) {
    t->proc->threads.fetch_sub(1);
    free_thread(child);
  }
  return ret;
}

// The leader has made one, c.ret, which has the lane.
long follow_thread(Call& c, const Request& q, Thread* child, uint32_t lane) {
  Thread* t = c.t;
  const bool good = lane < stream::kMaxLanes &&
                    &control()->processes[control()->lanes[lane].process % stream::kMaxProcesses] ==
                        t->proc->shared;
  if (c.ret < 0 || !good) {
    free_thread(child);
    if (c.ret >= 0) leave_as_follower(t, "no lane for a thread");
    return c.ret;
  }
  const auto vtid = static_cast<int32_t>(c.ret);
  child->start_ptid = (q.flags & kParentSettid) ? q.ptid : 0;
  child->released.store(1);  // it waits in its lane
  if (start_thread(t, child, q, lane, vtid) < 0)
    leave_as_follower(t, "clone failed in the follower");
  while (!child->started.load()) sys(__NR_sched_yield);
  return vtid;
}

// `lane`: where the event is to name the one that the thread gets.
long make_thread(Call& c, const Request& q, Thread* child, uint32_t& lane) {
  Thread* t = c.t;
  if (leads(t)) {
    leader_begin(c);
    lane = new_lane(static_cast<uint32_t>(t->proc->shared - control()->processes));
    if (lane == kNoLane) drop_follower(t, "more threads than lanes");
  }
  if (lane == kNoLane) child->role = Role::kSolo;
  t->proc->shared->threads.fetch_add(1);
  take_ticket(t);
  c.ret = start_thread(t, child, q, lane, 0);
  if (c.ret < 0) t->proc->shared->threads.fetch_sub(1);
  if (t->role == Role::kLeader) publish(c, EventKind::kCall, 0);
  if (c.ret >= 0) release_thread(child);
  return c.ret;
}

long thread_pair(Call& c, const Request& q) {
  Thread* t = c.t;
  if (t->proc->threads.load() == 1) patch_all(t);
  if (!t->proc->multi_threaded) begin_baton(t);
  // (The new thread's turn comes when this one waits, not at the event of its birth.)
  if (control()->settings.serial_threads) t->proc->multi_threaded = 1;
  const bool first = leads(t) && t->proc->threads.load() == 1 && t->tid == t->proc->real_pid;
  if (first && !t->proc->shared->first_io_known.load()) note_first_io(t);
  note_exit_lock(t, q);
  Thread* child = prepare_thread(c, q);
  if (!child) return kEagain;
  Born born{0, kNoLane};
  c.blob = reinterpret_cast<uint64_t>(&born);
  c.blob_size = sizeof born;
  if (t->role == Role::kFollower) {
    EventHeader h;
    Match m = follower_match(c, h);
    if (m == Match::kRedirected) {
      free_thread(child);
      return c.r->rax;
    }
    if (m == Match::kMatched) {
      follower_take(c, h);
      return follow_thread(c, q, child, born.lane);
    }
    inherit(child, t);
  }
  return make_thread(c, q, child, born.lane);
}

long run_request(Call& c, const Request& q) {
  if (q.flags & kThread) return thread_pair(c, q);
  pairs_are_shared();
  return fork_pair(c, q);
}

}  // namespace

long run_fork(Call& c) {
  return run_request(c, {c.nr == __NR_vfork ? 17 | kVm | kVfork : 17, 0, 0, 0, 0, 0});
}

long run_clone(Call& c) {
  return run_request(c, {c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], 0});
}

long run_clone3(Call& c) {
  struct Args {
    uint64_t flags, pidfd, ctid, ptid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size,
        cgroup;
  } a{};
  uint64_t size = c.args[1];
  if (size < 64 || size > 4096) return kEinval;
  if (!readable(reinterpret_cast<void*>(c.args[0]), size)) return kEfault;
  memcpy(&a, reinterpret_cast<void*>(c.args[0]), size < sizeof a ? size : sizeof a);
  constexpr uint64_t kPidfd = 0x1000, kClearSighand = 0x100000000ULL, kIntoCgroup = 0x200000000ULL;
  // Callers fall back to clone on ENOSYS; what clone cannot express is refused visibly.
  if ((a.flags & (kPidfd | kClearSighand | kIntoCgroup)) || a.set_tid_size) {
    report_refused(c);
    return kEnosys;
  }
  return run_request(c, {a.flags | (a.exit_signal & 0xff), a.stack ? a.stack + a.stack_size : 0,
                         a.ptid, a.ctid, a.tls, 0});
}

}  // namespace mx::agent

using namespace mx::agent;
namespace stream = mx::stream;

// First code of a thread, or of a process that shares memory, on its own agent stack.
extern "C" void mx_thread_start(Thread* t, Regs* r) {
  t->tid = static_cast<int32_t>(sys(__NR_gettid));
  set_gs(t);
  init_thread_stack(t);
  set_living(t, true);
  if (t->start_process != ~0u || t->proc->is_vfork_child) {
    begin_process(t, {t->start_process, t->start_lane}, t->start_vpid);
    if (Call* parent = t->start_call) {
      parent->ret = t->proc->real_pid;
      if (t->start_process < stream::kMaxProcesses) t->proc->shared->vpid = t->proc->real_pid;
      publish(*parent, EventKind::kCall, 0);
      lane_flush(parent->t);
    }
  } else {
    t->vtid = t->start_vpid ? t->start_vpid : t->tid;
    if (t->start_lane < stream::kMaxLanes) {
      use_lane(t, t->start_lane);
      t->lane->vtid = t->vtid;
    }
    // By the thread itself: when it ends, the kernel clears the word, and nobody may write after
    // that.
    if (t->start_vpid && t->start_ctid) *reinterpret_cast<int32_t*>(t->start_ctid) = t->vtid;
    if (t->start_vpid && t->start_ptid) *reinterpret_cast<int32_t*>(t->start_ptid) = t->vtid;
    t->started.store(1);
    await_release(t);
    begin_in_turn(t, r);
  }
  uint64_t mask = t->start_mask;
  sys(__NR_rt_sigprocmask, 2, &mask, nullptr, 8);
}
