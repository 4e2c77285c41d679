#include "shim/agent/failover.h"

#include "shim/agent/checkpoint.h"
#include "shim/agent/fds.h"
#include "shim/agent/files.h"
#include "shim/agent/keeper.h"
#include "shim/agent/lane.h"
#include "shim/agent/memory.h"
#include "shim/agent/own_io.h"
#include "shim/agent/report.h"
#include "shim/agent/sent.h"
#include "shim/agent/settle.h"
#include "shim/agent/shadow.h"
#include "shim/agent/signals.h"
#include "shim/agent/special.h"
#include "shim/agent/threads.h"
#include "shim/agent/timers.h"

namespace mx::agent {

using stream::other;

namespace {

uint32_t word(PairState s) { return static_cast<uint32_t>(s); }
int index_of(Version v) { return static_cast<int>(v); }
bool is(Process* p, PairState s) { return p->state.load(std::memory_order_acquire) == word(s); }

bool change(Process* p, PairState from, PairState to) {
  uint32_t expected = word(from);
  return p->state.compare_exchange_strong(expected, word(to));
}

template <typename F>
void each_lane(Process* p, F&& f) {
  auto index = static_cast<uint32_t>(p - control()->processes);
  for (Lane& l : stream::lanes_taken(*control()))
    if (l.in_use.load() && l.process == index) f(l);
}

void wake_all(Process* p) {
  each_lane(p, [](Lane& l) {
    l.consumer_waits.store(0);
    futex_wake(&l.consumer_waits, 8);
    l.producer_waits.store(0);
    futex_wake(&l.producer_waits, 8);
  });
}

int real_leader_pid(Thread* t) {
  return t->proc->shared->real_pid[index_of(other(t->proc->version))];
}

}  // namespace

bool gather_threads(Thread* t) {
  Process* p = t->proc->shared;
  int v = index_of(t->proc->version);
  for (int round = 0; round < 50; round++) {
    uint32_t expected = 0;
    each_lane(p, [&](Lane& l) {
      if (&l == t->lane) return;
      expected++;
      if (l.activity.load() != static_cast<uint32_t>(Activity::kParked))
        sys(__NR_tgkill, t->proc->real_pid, l.real_tid[v], 31);
    });
    if (p->parked.load() >= expected) return true;
    uint32_t now = p->parked.load();
    futex_wait(&p->parked, now, 2);
  }
  return false;
}

namespace {

// Follower: asks the husk (or the keeper of a dead leader) for the list of open descriptors.
bool list_descriptors(Thread* t, bool dead) {
  Process* p = t->proc->shared;
  p->fd_list_lane = t->lane_index;
  p->survivor_uid = static_cast<uint32_t>(sys(__NR_getuid));
  p->survivor_gid = static_cast<uint32_t>(sys(__NR_getgid));
  p->fd_list_state.store(1);
  futex_wake(&p->fd_list_state, 8);
  if (dead) {  // a husk answers when all its threads stand still: not before
    p->keeper_wake.fetch_add(1);
    futex_wake(&p->keeper_wake, 8);
  }
  auto pending = [p] { return p->fd_list_state.load() == 1 || p->fd_list_state.load() == 3; };
  for (int i = 0; i < 200 && pending(); i++)
    futex_wait(&p->fd_list_state, p->fd_list_state.load(), 20);
  return p->fd_list_state.load() == 2;
}

// Until the copies on the other side are closed, no pipe sees its end and no lock is free.
void await_closed(Process* p, bool dead, int pidfd) {
  constexpr int kLimitMs = 200;
  if (dead) {
    struct {
      int32_t fd;
      int16_t events, revents;
    } exited{pidfd, 1 /*POLLIN*/, 0};
    if (sys(__NR_poll, &exited, 1, kLimitMs) > 0) p->descriptors_taken.store(2);
    return;
  }
  for (int i = 0; i < kLimitMs / 20 && p->descriptors_taken.load() == 1; i++)
    futex_wait(&p->descriptors_taken, 1, 20);
}

// Moves the pidfd to a number that the descriptors in `list` leave free. Above the arena's if the
// limit allows, else (a low limit: containers often have 1024) into any gap.
int clear_of(const int32_t* list, uint32_t count, int pidfd) {
  auto wanted = [&](long fd) {
    for (uint32_t i = 0; i < count; i++)
      if ((list[i] & 0x7fffffff) == fd) return true;
    return false;
  };
  long free = control()->settings.reserved_fd + 1;
  long moved = sys(__NR_fcntl, pidfd, 1030 /*F_DUPFD_CLOEXEC*/, free);
  for (free = 0; is_error(moved) && free < control()->settings.reserved_fd; free++) {
    if (wanted(free)) continue;
    moved = sys(__NR_fcntl, pidfd, 1030, free);
    if (!is_error(moved) && wanted(moved)) {  // `free` is in use by a private file of this version
      sys(__NR_close, moved);
      moved = kEbadf;
    }
  }
  if (is_error(moved)) return pidfd;
  sys(__NR_close, pidfd);
  return static_cast<int>(moved);
}

// Follower: takes each descriptor from whoever holds the leader's. Returns their number, or -1.
int take_descriptors(Thread* t) {
  Process* p = t->proc->shared;
  int from = real_leader_pid(t);
  bool dead = !p->alive[index_of(other(t->proc->version))].load();
  if (dead) from = p->keeper_pid;
  if (from <= 0) return -1;
  long pidfd = sys(__NR_pidfd_open, from, 0);
  if (is_error(pidfd)) return -1;
  if (!list_descriptors(t, dead)) {
    sys(__NR_close, pidfd);
    return -1;
  }
  auto* list = reinterpret_cast<int32_t*>(lane_scratch(p->fd_list_lane));
  pidfd = clear_of(list, p->fd_count, static_cast<int>(pidfd));
  int taken = 0;
  forget_carried();
  for (uint32_t i = 0; i < p->fd_count; i++) {
    int fd = list[i] & 0x7fffffff;
    bool cloexec = list[i] < 0;
    if (fd_private(t, fd)) continue;
    long own = sys(__NR_pidfd_getfd, pidfd, fd, 0);
    if (is_error(own)) continue;
    if (own != fd) {
      sys(__NR_dup3, own, fd, cloexec ? 02000000 : 0);
      sys(__NR_close, own);
    } else if (!cloexec) {
      sys(__NR_fcntl, fd, 2, 0);
    }
    note_carried(fd);
    taken++;
  }
  p->descriptors_taken.store(1);
  futex_wake(&p->descriptors_taken, 8);
  await_closed(p, dead, pidfd);
  sys(__NR_close, pidfd);
  return taken;
}

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

// Children that ended while this version followed: it has had no signal of that, and the leader's may be lost.
bool child_waits_to_be_reaped() {
  constexpr uint64_t kAll = 0, kExited = 4, kNoWait = 0x01000000, kNoHang = 1;
  Siginfo info{};
  return sys(__NR_waitid, kAll, 0, &info, kExited | kNoHang | kNoWait, 0) == 0 && info.signo != 0;
}

// Signals that the leader never took: those that it had sent itself and blocked, and by the kernel's last words.
void restore_pending(Thread* t) {
  constexpr int kSigchld = 17;
  Process* p = t->proc->shared;
  uint64_t done = send_again(t);
  if (!p->last_words.known.load()) return;
  uint64_t left = p->last_words.pending;
  each_lane(p, [&](Lane& l) { left |= l.queued; });
  if (child_waits_to_be_reaped()) left |= bit(kSigchld);
  left &= ~(done | bit(9) | bit(19) | kNeverBlocked);
  for (int sig = 1; sig <= 64; sig++)
    if (left & bit(sig)) sys(__NR_kill, t->proc->real_pid, sig);
}

void report_hang(Thread* t) {  // of the other version
  Message* m = new_message(t, MessageKind::kHang);
  if (!m) return;
  m->version = other(t->proc->version);
  m->number[0] = t->proc->shared->real_pid[index_of(m->version)];
  send(m);
}

void report_failover(Thread* t, int descriptors, uint64_t started) {
  Message* m = new_message(t, MessageKind::kFailover);
  if (!m) return;
  m->number[0] = descriptors;
  m->number[1] = static_cast<int64_t>(tsc() - started);
  send(m);
}

}  // namespace

bool follower_gone(Thread* t) {
  if (t->role == Role::kSolo) return true;
  if (is(t->proc->shared, PairState::kPaired)) return false;
  if (t->proc->shared->failing.load()) return false;
  t->role = Role::kSolo;
  return true;
}

bool follower_alive(Thread* t) {
  Process* p = t->proc->shared;
  int v = index_of(other(t->proc->version));
  int pid = p->real_pid[v];
  if (pid == 0) return true;  // not started yet
  return p->alive[v].load() && sys(__NR_kill, pid, 0) != kEsrch;
}

void drop_follower(Thread* t, const char* reason) {
  Process* p = t->proc->shared;
  if (!change(p, PairState::kPaired, PairState::kSolo)) return;
  Message* m = new_message(t, MessageKind::kDropped);
  if (m) {
    m->version = other(t->proc->version);
    m->number[0] = p->real_pid[index_of(m->version)];
    set_text(m, reason);
    send(m);
  }
  wake_all(p);
}

void give_up_follower(Thread* t, const char* reason) {
  Process* p = t->proc->shared;
  if (!is(p, PairState::kPaired)) return;
  if (follower_alive(t)) report_hang(t);
  drop_follower(t, reason);
}

void wait_for_agreement(Thread* t) {
  Lane* l = t->lane;
  int64_t waited = 0, limit = control()->settings.hang_timeout_ms;
  for (int spin = 0; l->acked.load(std::memory_order_acquire) < t->pos; spin++) {
    if (follower_gone(t) || recovers(t->proc->shared)) return;
    park_if_failing(t);
    if (spin < 200 && control()->settings.cpus > 1) {
      pause();
      continue;
    }
    lane_flush(t);
    uint64_t tail = l->tail.load();
    l->producer_waits.store(stream::kWaitsForAck);
    bool timed_out = l->acked.load() < t->pos &&
                     futex_wait(&l->producer_waits, stream::kWaitsForAck, 100) == kEtimedout;
    l->producer_waits.store(0);
    if (l->tail.load() != tail)
      waited = 0;
    else if (timed_out)
      waited += 100;
    if (!follower_alive(t) || (limit && waited > limit)) {
      give_up_follower(t, "follower does not agree in time");
      return;
    }
  }
}

// Another process stands for this version now, or this version leads no more: a thread that comes
// late.
static bool replaced(Thread* t) {
  Process* p = t->proc->shared;
  int v = index_of(t->proc->version);
  return p->leader.load() != static_cast<uint32_t>(v) || p->real_pid[v] != t->proc->real_pid;
}

[[noreturn]] static void stand_for_good() {
  uint64_t all = ~uint64_t{0};
  sys(__NR_rt_sigprocmask, 2, &all, nullptr, 8);
  for (;;) sys(__NR_pause);
}

void park_if_failing(Thread* t) {
  Process* p = t->proc->shared;
  if (t->role != Role::kLeader) return;
  if (p->is_root && __builtin_expect(replaced(t), 0)) stand_for_good();
  if (!p->failing.load()) return;
  if (p->handover.load()) {
    park_for_handover(t);
    if (p->is_root && replaced(t)) stand_for_good();
    return;
  }
  uint64_t all = ~uint64_t{0};
  sys(__NR_rt_sigprocmask, 2, &all, nullptr, 8);
  uint32_t none = 0;
  if (p->husk.compare_exchange_strong(none, 1)) become_husk(t);  // a hung process: nobody faulted
  t->lane->activity.store(static_cast<uint32_t>(Activity::kParked));
  p->parked.fetch_add(1);
  futex_wake(&p->parked, 8);
  for (;;) sys(__NR_pause);
}

void become_husk(Thread* t) {
  Process* p = t->proc->shared;
  t->is_husk = 1;
  p->husk.store(1);
  gather_threads(t);
  allow_takeover();
  if (handover_committed(p)) {
    p->failure_tsc = tsc();
    change(p, PairState::kPaired, PairState::kFailover);
    wake_all(p);
  }
  while (p->fd_list_state.load() == 0) {
    futex_wait(&p->fd_list_state, 0, 200);
    if (!p->alive[index_of(other(t->proc->version))].load()) break;
  }
  publish_descriptor_list(t);
  while (!p->descriptors_taken.load()) {
    futex_wait(&p->descriptors_taken, 0, 200);
    if (!p->alive[index_of(other(t->proc->version))].load()) break;
  }
  uint32_t reserved = control()->settings.reserved_fd;
  sys(__NR_close_range, 0, reserved - 1, 0);
  sys(__NR_close_range, reserved + 1, ~0u, 0);
  p->descriptors_taken.store(2);
  futex_wake(&p->descriptors_taken, 8);
  if (handover_committed(p)) give_memory_back(t);
  uint64_t none = 0;
  sys(__NR_rt_sigprocmask, 2, &none, nullptr, 8);
  for (uint32_t now; (now = p->husk.load()) != 2;) futex_wait(&p->husk, now, -1);
  int status = p->husk_status;
  if (status & 0x7f) die_of(t, status & 0x7f);
  sys(__NR_exit_group, (status >> 8) & 0xff);
  __builtin_unreachable();
}

bool leader_is_gone(Thread* t) {
  Process* p = t->proc->shared;
  if (is(p, PairState::kFailover)) return true;
  return p->leader.load() == static_cast<uint32_t>(t->proc->version);
}

bool follower_must_end(Thread* t) {
  Process* p = t->proc->shared;
  if (p->real_pid[index_of(t->proc->version)] != t->proc->real_pid)
    return true;  // replaced by a copy
  return is(p, PairState::kSolo) && p->leader.load() != static_cast<uint32_t>(t->proc->version);
}

void end_follower(Thread* t) {
  Process* p = t->proc->shared;
  int v = index_of(t->proc->version);
  if (p->real_pid[v] == t->proc->real_pid) p->alive[v].store(0);
  wake_producer(t);
  sys(__NR_exit_group, 0);
  __builtin_unreachable();
}

static void part_from_leader(Thread* t, const char* reason) {
  Process* p = t->proc->shared;
  if (!change(p, PairState::kPaired, PairState::kSolo)) return;
  Message* m = new_message(t, MessageKind::kDropped);
  if (m) {
    m->number[0] = t->proc->real_pid;
    set_text(m, reason);
    send(m);
  }
  wake_all(p);
}

void leave_as_follower(Thread* t, const char* reason) {
  part_from_leader(t, reason);
  end_follower(t);
}

bool recover_crashed_follower(Thread* t, uint64_t position) {
  Process* p = t->proc->shared;
  if (!is(p, PairState::kPaired) || !can_recover(p, t->proc->version)) return false;
  begin_recovery(p, t->proc->version, false, t->lane_index + 1, position);
  wake_producer(t);
  return true;
}

void leave_as_crashed_follower(Thread* t, bool recovers) {
  constexpr int kLookMs = 100, kLongest = 100;
  if (!recovers) part_from_leader(t, "crashed");
  Word never{0};
  for (int i = 0; i < kLongest && sys(__NR_kill, control()->settings.monitor_pid, 0) != kEsrch; i++)
    futex_wait(&never, 0, kLookMs);
  end_follower(t);
}

int64_t crash_lane(const Thread* t) { return t->history ? int64_t{t->lane_index} + 1 : 0; }

void save_registers(Thread* t, const Regs& r) {
  if (!t->history) return;
  t->history->registers = {1,    r.r15, r.r14, r.r13, r.r12, r.rbp, r.rbx, r.r11,    r.r10, r.r9,
                           r.r8, r.rax, r.rcx, r.rdx, r.rsi, r.rdi, r.rip, r.eflags, r.rsp};
}

void leader_failed(Thread* t, const EventHeader& h) {
  Process* p = t->proc->shared;
  Message* m = new_message(t, MessageKind::kCrash);
  if (m) {
    m->version = other(t->proc->version);
    m->number[0] = h.kind == EventKind::kFault ? h.nr : 0;
    m->number[1] = real_leader_pid(t);
    m->number[2] = h.result;
    m->number[3] = static_cast<int64_t>(h.digest);
    m->number[4] = crash_lane(t);
    if (t->regs) save_registers(t, *t->regs);
    send(m);
  }
  p->crash_lane = t->lane_index + 1;
  p->crash_position = t->pos;
  lane_skip(t, sizeof h + stream::padded(h.size));
  finish_event(t, h);
  p->last_words.known.store(0);
  p->failure_tsc = tsc();
  p->failing.store(1);
  change(p, PairState::kPaired, PairState::kFailover);
  t->lane->verdict.store(static_cast<uint32_t>(Verdict::kLeaderFailed));
  wake_producer(t);
  take_over(t);
}

// Another thread of this version has events to read: the leader may be waiting for that one (in full lockstep it does).
static bool others_behind(Thread* t) {
  bool behind = false;
  each_lane(t->proc->shared, [&](Lane& l) { behind |= &l != t->lane && l.users.load() == 2 && l.head.load() != l.tail.load(); });
  return behind;
}

bool declare_leader_hung(Thread* t) {
  Process* p = t->proc->shared;
  auto a = static_cast<Activity>(t->lane->activity.load());
  if (a == Activity::kEventCall || a == Activity::kGone || !is(p, PairState::kPaired) || others_behind(t)) return false;
  report_hang(t);
  p->crash_lane = t->lane_index + 1;
  p->crash_position = t->pos;
  p->last_words.known.store(0);
  p->failure_tsc = tsc();
  p->failing.store(1);
  if (!change(p, PairState::kPaired, PairState::kFailover)) return false;
  sys(__NR_tgkill, real_leader_pid(t), t->lane->real_tid[index_of(other(t->proc->version))], 31);
  return true;
}

// The other threads have yet to do what the leader's did: a thread that goes on alone before would take their locks and
// their work. Gives up when nothing moves: a thread of the leader's may have no counterpart yet.
static void await_other_threads(Thread* t) {
  constexpr int kLookMs = 1, kPatience = 300;
  Process* p = t->proc->shared;
  uint64_t seen = 0;
  for (int idle = 0; idle < kPatience; idle++) {
    bool behind = false;
    uint64_t done = p->turn.load();
    each_lane(p, [&](Lane& l) {
      done += l.tail.load();
      behind |= &l != t->lane && l.in_use.load() == 1 && l.head.load() != l.tail.load();
    });
    if (!behind) return;
    if (done != seen) idle = 0;
    seen = done;
    futex_wait(&p->taker, p->taker.load(), kLookMs);
  }
}

namespace {

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
void count_from_here(Process* p) {
  each_lane(p, [](Lane& l) {
    for (int k : {stream::kRead, stream::kWritten}) l.io[k] = 0;
  });
  uint64_t io[2] = {0, 0};
  if (!read_own_io(io)) return;
  for (int k : {stream::kRead, stream::kWritten}) p->io_ended[k].store(io[k]);
}

// With a follower that comes back, or alone.
void lead(Thread* t) {
  Process* p = t->proc->shared;
  Version failed = other(t->proc->version);
  if (!p->failure_tsc) p->failure_tsc = tsc();
  int taken = take_descriptors(t);
  if (taken < 0) abandon_takeover(t);
  if (p->last_words.known.load()) weigh_moved_bytes(p);
  bool pairs = p->descriptors_taken.load() == 2 && can_recover(p, failed);
  t->proc->promoted = 1;
  drop_stale_signals(t);
  await_other_threads(t);
  if (pairs) {
    count_from_here(p);
    p->gaps_before.store(p->order.load());
  }
  t->role = pairs ? Role::kLeader : Role::kSolo;
  t->pos = t->limit = t->lane->head.load();
  install_all_signals(t);
  remap_shared(t);
  restore_timers(t);
  restore_owners(t);
  restore_limits(t);
  restore_pending(t);
  const uint64_t started = p->failure_tsc;
  p->leader.store(static_cast<uint32_t>(t->proc->version));
  if (pairs) reset_failover(p);
  p->state.store(word(pairs ? PairState::kPaired : PairState::kSolo));
  // Last: the copy that is woken for it must find who leads.
  if (pairs) begin_recovery(p, failed, true, p->crash_lane, p->crash_position);
  report_failover(t, taken, started);
  if (pairs) p->keeper_pid = 0;
  if (pairs) start_keeper(t);
  p->crash_lane = 0;
}

}  // namespace

void take_over(Thread* t) {
  Process* p = t->proc->shared;
  Version mine = t->proc->version;
  if (takes(p, mine)) {
    lead(t);
    p->taker.store(taking(mine) + 1);
    futex_wake(&p->taker, 1 << 30);
    wake_all(p);
  } else {
    drop_stale_signals(t);
    while (p->taker.load() != taking(mine) + 1) futex_wait(&p->taker, taking(mine), 50);
    t->role = is(p, PairState::kPaired) ? Role::kLeader : Role::kSolo;
    t->pos = t->limit = t->lane->head.load();
  }
  t->unsettled = p->last_words.known.load();
  t->intents = t->replays = 0;
  t->lane->activity.store(static_cast<uint32_t>(Activity::kUser));
  apply_mask(t, t->trap);
  int zero = 0;
  sys(__NR_sched_setscheduler, 0, 0 /*SCHED_OTHER*/, &zero);
}

int fetch_descriptor(Thread* t, int fd) {
  if (t->replays) leave_as_follower(t, "it needs a descriptor that may be another one by now");
  int32_t keeper = t->proc->shared->keeper_pid;  // shares the table, and may be asked by any user
  long pidfd = sys(__NR_pidfd_open, keeper ? keeper : real_leader_pid(t), 0);
  if (is_error(pidfd)) return static_cast<int>(pidfd);
  long own = sys(__NR_pidfd_getfd, pidfd, fd, 0);
  sys(__NR_close, pidfd);
  return static_cast<int>(own);
}

void wake_producer(Thread* t) {
  if (t->lane->producer_waits.exchange(0)) futex_wake(&t->lane->producer_waits, 8);
}

void kick_follower(Thread* t) {
  if (t->role != Role::kLeader) return;
  int v = index_of(other(t->proc->version));
  int pid = t->proc->shared->real_pid[v], tid = t->lane->real_tid[v];
  lane_flush(t);
  if (pid > 0 && tid > 0) sys(__NR_tgkill, pid, tid, 31);
}

void tell_husk(Thread* t, int status) {
  Process* p = t->proc->shared;
  if (!t->proc->promoted) return;
  p->husk_status = status;
  p->husk.store(2);
  futex_wake(&p->husk, 8);
}

void inject_fault(Thread* t) {
  const auto& s = control()->settings;
  if (!s.fault_kind || t->role != Role::kLeader || !t->proc->shared->is_root) return;
  Process* p = t->proc->shared;
  uint64_t before = p->event_count[index_of(t->proc->version)].load() + t->events;
  if (p->order.load() > before) before = p->order.load();  // several threads
  if (before + 1 < s.fault_event || control()->settings.fault_done.exchange(1)) return;
  if (s.fault_kind == 3) t->die_after = 1;
  if (s.fault_kind == 1) sys(__NR_kill, t->proc->real_pid, 9);
  if (s.fault_kind == 2) asm volatile("ud2");
}

}  // namespace mx::agent
