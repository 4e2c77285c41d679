// A follower becomes the leader, or goes on alone.
#include "shim/agent/astray.h"
#include "shim/agent/carried_fds.h"
#include "shim/agent/checkpoint.h"
#include "shim/agent/children.h"
#include "shim/agent/doubt.h"
#include "shim/agent/epoll.h"
#include "shim/agent/failover.h"
#include "shim/agent/fd_passing.h"
#include "shim/agent/fds.h"
#include "shim/agent/keeper.h"
#include "shim/agent/left_signals.h"
#include "shim/agent/order.h"
#include "shim/agent/own_io.h"
#include "shim/agent/own_proc_fds.h"
#include "shim/agent/pace.h"
#include "shim/agent/pair.h"
#include "shim/agent/report.h"
#include "shim/agent/sent.h"
#include "shim/agent/settle.h"
#include "shim/agent/shadow.h"
#include "shim/agent/signals.h"
#include "shim/agent/special.h"
#include "shim/agent/stand_ins.h"
#include "shim/agent/threads.h"
#include "shim/agent/timers.h"

namespace mx::agent {

namespace {

// Without the descriptors this version could only do harm.
[[noreturn]] void abandon_takeover(Thread* t) {
  Message* m = new_message(t, MessageKind::kDropped);
  if (m) {
    m->number[0] = t->proc->real_pid;
    set_text(m, "the ended leader's descriptors could not be taken over");
    send(m);
  }
  die_of(t, 9);
}

// The thread is about to send itself one with a value, as the leader may have: it is made again,
// and merges with nothing.
uint64_t sends_again(const Thread* t) {
  const Regs* r = t->regs;
  if (!r || r->nr != __NR_rt_sigqueueinfo || static_cast<int32_t>(r->call_arg(0)) != t->proc->vpid)
    return 0;
  const uint64_t sig = r->call_arg(1);
  return sig >= 1 && sig < 32 ? bit(static_cast<int>(sig)) : 0;
}

// Signals that the leader never took: those that it had sent itself and blocked, and by the
// kernel's last words.
void restore_pending(Thread* t) {
  Process* p = t->proc->shared;
  uint64_t done = send_again(t);
  uint64_t queued = 0;
  each_lane(p, [&](Lane& l) {
    queued |= l.queued;
    send_queued(t, l, l.queued & ~(done | kNeverBlocked));
    l.queued = 0;
  });
  Siginfo child{};
  const bool untold = untold_child_has_ended(t, child);
  if (!p->last_words.known
           .load()) {  // a husk passes on what the kernel still has for it, but for that
    if (p->descriptors_taken.load() == kLetGo) take_left_signals(t, done);
    if (untold) sys(__NR_rt_sigqueueinfo, t->proc->real_pid, kSigchld, &child);
    return;
  }
  p->last_words.pending |= queued;  // for who settles a call
  uint64_t left = p->last_words.pending & ~queued;
  if (untold) left |= bit(kSigchld);
  left &= ~(done | bit(9) | bit(19) | kNeverBlocked | sends_again(t));
  const bool told = child.signo && (left & bit(kSigchld)) &&
                    sys(__NR_rt_sigqueueinfo, t->proc->real_pid, kSigchld, &child) == 0;
  if (told) left &= ~bit(kSigchld);
  for (int sig = 1; sig <= 64; sig++)
    if (left & bit(sig)) sys(__NR_kill, t->proc->real_pid, sig);
}

void report_failover(Thread* t, int descriptors, uint64_t started) {
  Message* m = new_message(t, MessageKind::kFailover);
  if (!m) return;
  m->number[0] = descriptors;
  m->number[1] = static_cast<int64_t>(tsc() - started);
  send(m);
}

// A thread that has consumed an event waits until another one has closed a file of its own, which
// has the number here: as long as it is open, the leader's would not be taken.
bool waits_for_its_number(const Thread* t) {
  bool waits = false;
  each_thread(t->proc, [&](const Thread& o) { waits |= &o != t && o.localises.load() != 0; });
  return waits;
}

// The other threads have yet to do what the leader's did: a thread that goes on alone before would
// take their locks and their work. Gives up when nothing moves: a thread of the leader's may have
// no counterpart yet. Who has looks at the clock to read only may sleep in a wait of its own for
// long (jemalloc's background thread does), and misses nothing.
void await_other_threads(Thread* t) {
  constexpr int kLookMs = 1, kPatience = 300, kForQueries = 3,
                kLongest = 3000;  // a thread that is there waits for a core
  Process* p = t->proc->shared;
  uint64_t seen = 0;
  for (int idle = 0; idle < kLongest; idle++) {
    bool behind = waits_for_its_number(t), lonely = false;
    uint64_t done = p->turn.load();
    each_lane(p, [&](Lane& l) {
      done += l.tail.load();
      if (&l == t->lane || l.in_use.load() != 1 || !unread_before(t, l, history_from())) return;
      if (idle >= kForQueries && only_queries_unread(l)) return;
      behind = true;
      int32_t tid = l.real_tid[index_of(t->proc->version)];
      lonely |= idle >= kPatience && (tid <= 0 || sys(__NR_tgkill, t->proc->real_pid, tid, 0) != 0);
    });
    if (!behind) return;
    if (lonely) return;
    if (done != seen) idle = 0;
    seen = done;
    futex_wait(&p->taker, p->taker.load(), kLookMs);
  }
}

// Those in a call of their own look up: lead_if_due().
void tell_other_threads(const Thread* t) {
  each_lane(t->proc->shared, [t](Lane& l) {
    const int32_t tid = l.real_tid[index_of(t->proc->version)];
    if (&l != t->lane && l.in_use.load() == 1 && tid > 0)
      sys(__NR_tgkill, t->proc->real_pid, tid, 31);
  });
}

uint32_t taking(Version v) { return 2 * static_cast<uint32_t>(v) + 2; }

// The first of this version's threads to see that it leads now.
bool takes(Process* p, Version v) {
  uint32_t now = p->taker.load();
  while (now != taking(v) && now != taking(v) + 1)
    if (p->taker.compare_exchange_weak(now, taking(v))) return true;
  return false;
}

// The next leader may fail as well: all that this failover has used is as in the beginning.
void reset_failover(Process* p) {
  p->failing.store(0);
  p->parked.store(0);
  p->husk.store(0);  // the one there is waits for its end
  p->fd_list_state.store(0);
  p->descriptors_taken.store(0);
  p->failure_tsc = 0;
}

// The byte counts of this process begin with what it has read and written as a follower.
void count_from_here(Thread* t, Process* p) {
  each_lane(p, [](Lane& l) {
    for (int k : {stream::kRead, stream::kWritten}) l.io[k] = 0;
  });
  uint64_t io[2] = {0, 0};
  if (!read_own_io(io)) return;
  for (int k : {stream::kRead, stream::kWritten}) p->io_ended[k].store(io[k]);
  p->first_io_known.store(0);
  if (t->proc->multi_threaded) note_first_io(t);
}

// With a follower that comes back, or alone.
void lead(Thread* t) {
  Process* p = t->proc->shared;
  Version failed = stream::other(t->proc->version);
  if (!p->failure_tsc) p->failure_tsc = tsc();
  await_told_ends(t);
  // Before the husk hears that its descriptors are taken: from then on it passes signals on.
  drop_stale_signals(t);
  const FdHolder holder = list_descriptors(t);
  if (holder.pidfd < 0) abandon_takeover(t);
  await_other_threads(t);
  const int taken = take_descriptors(t, holder);
  if (p->last_words.known.load()) {
    weigh_moved_bytes(p);
    settle_numbers(t);
    forget_signals_read(t);
  }
  const bool closed = p->descriptors_taken.load() == kLetGo,
             pairs = closed && can_recover(p, failed);
  if (!closed)
    p->checkpoint[index_of(failed)].refusal =
        static_cast<uint32_t>(stream::CheckpointRefusal::kHeldOpen);
  t->proc->promoted = 1;
  reopen_own_proc(t, p->real_pid[index_of(failed)]);
  forget_history();
  make_stand_ins(t);
  if (pairs) {
    count_from_here(t, p);
    p->gaps_before.store(p->order.load());
  }
  t->role = pairs ? Role::kLeader : Role::kSolo;
  t->pos = t->limit = t->lane->head.load();
  install_all_signals(t);
  remap_shared(t);
  restore_timers(t);
  restore_owners(t);
  restore_signalfds(t);
  all_run_as_usual(t);
  restore_limits(t);
  restore_death_signal(t);
  restore_pending(t);
  const uint64_t started = p->failure_tsc;
  p->leader.store(static_cast<uint32_t>(t->proc->version));
  if (pairs) reset_failover(p);
  p->state.store(static_cast<uint32_t>(pairs ? PairState::kPaired : PairState::kSolo));
  // Last: the copy that is woken for it must find who leads.
  if (pairs) begin_recovery(p, failed, true, p->crash_lane, p->crash_position, p->crash_end);
  report_failover(t, taken, started);
  if (pairs)
    take_spare_keeper(t);
  else
    stop_spare_keeper(t);
  p->crash_lane = 0;
}

}  // namespace

void take_over(Thread* t) {
  Process* p = t->proc->shared;
  Version mine = t->proc->version;
  come_to_flight(t);
  if (takes(p, mine)) {
    lead(t);
    p->taker.store(taking(mine) + 1);
    futex_wake(&p->taker, 1 << 30);
    wake_all(p);
    tell_other_threads(t);
  } else {
    t->pending = 0;
    while (p->taker.load() != taking(mine) + 1) futex_wait(&p->taker, taking(mine), 50);
    t->role = is(p, PairState::kPaired) ? Role::kLeader : Role::kSolo;
    t->pos = t->limit = t->lane->head.load();
  }
  t->inherits = p->last_words.known.load() ? kKilledCall : kStoppedCall;
  t->intents = t->replays = 0;
  t->lane->activity.store(static_cast<uint32_t>(Activity::kUser));
  apply_mask(t, t->trap);
  run_as_usual(t);
}

void lead_if_due(Thread* t) {
  const auto nothing_to_follow = [t] {
    return t->lane->head.load(std::memory_order_acquire) == t->pos;
  };
  if (!leader_is_gone(t) || is_astray(t) || !nothing_to_follow()) return;
  await_last_events(t);
  if (nothing_to_follow()) take_over(t);
}

}  // namespace mx::agent
