#include "shim/agent/failover.h"

#include "shim/agent/borrowed.h"
#include "shim/agent/checkpoint.h"
#include "shim/agent/children.h"
#include "shim/agent/damage.h"
#include "shim/agent/fd_passing.h"
#include "shim/agent/keeper.h"
#include "shim/agent/left_signals.h"
#include "shim/agent/memory.h"
#include "shim/agent/pair.h"
#include "shim/agent/patch.h"
#include "shim/agent/patience.h"
#include "shim/agent/report.h"
#include "shim/agent/signals.h"

namespace mx::agent {

using stream::other;

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

void report_hang(Thread* t) {  // of the other version
  Message* m = new_message(t, MessageKind::kHang);
  if (!m) return;
  m->version = other(t->proc->version);
  m->number[0] = t->proc->shared->real_pid[index_of(m->version)];
  send(m);
}

}  // namespace

bool follower_gone(Thread* t) {
  if (t->role == Role::kSolo) return true;
  if (is(t->proc->shared, PairState::kPaired)) return false;
  if (t->proc->shared->failing.load() == stream::kIsFailing) return false;
  t->role = Role::kSolo;
  return true;
}

bool follower_alive(Thread* t) {
  Process* p = t->proc->shared;
  int v = index_of(other(t->proc->version));
  int pid = p->real_pid[v];
  if (pid == 0) {  // not started yet, and never will be if its parent's version has been given up
                   // meanwhile
    const Process* parent = p->is_root ? nullptr : find_pair(p->vppid);
    return !parent || !is(parent, PairState::kSolo);
  }
  return p->alive[v].load() && sys(__NR_kill, pid, 0) != kEsrch;
}

// What became of a version's process, and why.
static void tell(Thread* t, MessageKind kind, Version v, int32_t pid, const char* reason) {
  Message* m = new_message(t, kind);
  if (!m) return;
  m->version = v;
  m->number[0] = pid;
  set_text(m, reason);
  send(m);
}

void drop_follower(Thread* t, const char* reason) {
  Process* p = t->proc->shared;
  if (!change(p, PairState::kPaired, PairState::kSolo)) return;
  tell(t, MessageKind::kDropped, other(t->proc->version), twin_pid(t), reason);
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
  constexpr int64_t kStepMs = 100, kGraceMs = 10;
  Patience patience;
  const int64_t limit = control()->settings.hang_timeout_ms;
  // Both versions may be dying, of the same fault in another thread: this process then ends, too,
  // and nobody was dropped.
  constexpr int kGrace = 5;
  int64_t step = kStepMs;
  int seen_dead = 0;
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
    patience.begin();
    if (l->acked.load() < t->pos) futex_wait(&l->producer_waits, stream::kWaitsForAck, step);
    l->producer_waits.store(0);
    if (l->tail.load() != tail) patience.reset();
    if (!follower_alive(t) && seen_dead++ < kGrace) {
      step = kGraceMs;
      continue;
    }
    if (!follower_alive(t) || (limit && patience.waited(step) > limit)) {
      give_up_follower(t, "follower does not agree in time");
      return;
    }
  }
}

// Another process stands for this version now, or this version leads no more: a thread that comes
// late.
static bool replaced(Thread* t) {
  Process* p = t->proc->shared;
  const Version v = t->proc->version;
  const int32_t stands = p->real_pid[index_of(v)];
  if (__builtin_expect(p->leader.load() == static_cast<uint32_t>(v) && stands == t->proc->real_pid,
                       1))
    return false;
  if (pair_damaged(p)) return false;
  return p->leader.load() == static_cast<uint32_t>(other(v)) ||
         (stands > 0 && stands != t->proc->real_pid && sys(__NR_kill, stands, 0) != kEsrch);
}

[[noreturn]] static void stand_for_good() {
  uint64_t all = ~uint64_t{0};
  sys(__NR_rt_sigprocmask, 2, &all, nullptr, 8);
  for (;;) sys(__NR_pause);
}

void park_if_failing(Thread* t) {
  Process* p = t->proc->shared;
  if (t->role != Role::kLeader) return;
  if (__builtin_expect(replaced(t), 0)) stand_for_good();
  if (p->failing.load() != stream::kIsFailing) return;
  if (p->handover.load()) {
    park_for_handover(t);
    if (replaced(t)) stand_for_good();
    return;
  }
  stop_failed(t);
}

// By process, not by pair: the pair's words begin anew as soon as the descriptors are taken, and a
// thread may come to it later.
bool becomes_stand_in(Thread* t) {
  Word& word = t->proc->stand_in;
  const auto self = static_cast<uint32_t>(t->proc->real_pid);
  uint32_t now = word.load();  // a fork copies it: another process's says nothing
  return now != self && word.compare_exchange_strong(now, self);
}

// Who faulted need not be it: another thread may have seen first that the process has failed.
void stop_failed(Thread* t) {
  Process* p = t->proc->shared;
  uint64_t all = ~uint64_t{0};
  sys(__NR_rt_sigprocmask, 2, &all, nullptr, 8);
  if (becomes_stand_in(t)) become_husk(t);
  if (p->is_root && replaced(t)) stand_for_good();  // the words below are the next leader's by now
  t->lane->activity.store(static_cast<uint32_t>(Activity::kParked));
  p->parked.fetch_add(1);
  futex_wake(&p->parked, 8);
  stand_for_good();
}

// Stands in for the process until that ends, then ends with its
// status. A child that has ended keeps its number, which the program
// knows, until the program has waited for it: the survivor says when.
[[noreturn]] static void end_with_process(const Thread* t) {
  constexpr uint64_t kNoHang = 1;
  Process* p = t->proc->shared;
  for (uint32_t now; (now = p->husk.load()) != 2; futex_wait(&p->husk, now, -1))
    if (const uint32_t child = p->to_reap.load()) sys(__NR_wait4, child, 0, kNoHang, 0);
  end_with_status(t, p->husk_status);
}

void become_husk(Thread* t) {
  Process* p = t->proc->shared;
  t->is_husk = 1;
  p->husk.store(1);
  t->lane->activity.store(static_cast<uint32_t>(Activity::kParked));
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
  await_descriptors_taken(p, p->alive[index_of(other(t->proc->version))]);
  uint32_t reserved = control()->settings.reserved_fd;
  sys(__NR_close_range, 0, reserved - 1, 0);
  sys(__NR_close_range, reserved + 1, ~0u, 0);
  leave_signals(t);
  p->descriptors_taken.store(kLetGo);
  futex_wake(&p->descriptors_taken, 8);
  if (handover_committed(p)) give_memory_back(t);
  uint64_t none = 0;
  sys(__NR_rt_sigprocmask, 2, &none, nullptr, 8);
  end_with_process(t);
}

bool leader_is_gone(Thread* t) {
  Process* p = t->proc->shared;
  if (is(p, PairState::kFailover)) return true;
  return p->leader.load() == static_cast<uint32_t>(t->proc->version);
}

// A thread of the leader that was in a call when another one failed still publishes what came of
// it, and then parks. When the list of descriptors is there all have, or had their time.
static bool lane_is_final(Thread* t) {
  Process* p = t->proc->shared;
  const auto a = static_cast<Activity>(t->lane->activity.load());
  return !p->alive[index_of(other(t->proc->version))].load() || a == Activity::kParked ||
         a == Activity::kGone || p->fd_list_state.load() == 2 || handover_committed(p) ||
         p->leader.load() == static_cast<uint32_t>(t->proc->version);
}

void await_last_events(Thread* t) {
  constexpr int kLookMs = 1, kLooks = 300;
  Process* p = t->proc->shared;
  for (int i = 0; i < kLooks && t->lane->head.load() == t->pos && !lane_is_final(t); i++)
    futex_wait(&p->fd_list_state, p->fd_list_state.load(), kLookMs);
}

bool follower_must_end(Thread* t) {
  Process* p = t->proc->shared;
  if (p->real_pid[index_of(t->proc->version)] != t->proc->real_pid)
    return true;  // replaced by a copy
  return is(p, PairState::kSolo) && p->leader.load() != static_cast<uint32_t>(t->proc->version);
}

bool is_last_one(Thread* t) {
  Process* p = t->proc->shared;
  return is(p, PairState::kFailover) && !p->alive[index_of(other(t->proc->version))].load();
}

void end_follower(Thread* t) {
  Process* p = t->proc->shared;
  int v = index_of(t->proc->version);
  if (p->real_pid[v] == t->proc->real_pid && is_last_one(t))
    die_of(t, 9);  // as the killed leader has
  if (p->real_pid[v] == t->proc->real_pid) p->alive[v].store(0);
  wake_producer(t);
  if (p->spare_keeper) wake_keepers(p);  // it looks whether there is a follower
  sys(__NR_exit_group, 0);
  __builtin_unreachable();
}

static void part_from_leader(Thread* t, const char* reason) {
  Process* p = t->proc->shared;
  if (!change(p, PairState::kPaired, PairState::kSolo)) return;
  tell(t, MessageKind::kDropped, t->proc->version, t->proc->real_pid, reason);
  wake_all(p);
}

void leave_as_follower(Thread* t, const char* reason) {
  part_from_leader(t, reason);
  end_follower(t);
}

bool recover_crashed_follower(Thread* t, uint64_t position) {
  Process* p = t->proc->shared;
  if (!is(p, PairState::kPaired) || !can_recover(p, t->proc->version)) return false;
  begin_recovery(p, t->proc->version, false, t->lane_index + 1, position, position);
  wake_producer(t);
  return true;
}

void leave_as_crashed_follower(Thread* t, bool recovers) {
  constexpr int kLookMs = 100, kLongest = 100;
  if (!recovers) part_from_leader(t, "crashed");
  if (recovers && !t->proc->shared->is_root) end_with_process(t);
  Word never{0};
  for (int i = 0; i < kLongest && sys(__NR_kill, control()->settings.monitor_pid, 0) != kEsrch; i++)
    futex_wait(&never, 0, kLookMs);
  end_follower(t);
}

void stray_from_leader(Thread* t, const char* reason) {
  Process* p = t->proc->shared;
  if (!(t->proc->astray && recovers(p)) && !recover_crashed_follower(t, t->pos))
    leave_as_follower(t, reason);
  p->recovery.lane = 0;  // nothing has to be carried over
  tell(t, MessageKind::kStrayed, t->proc->version, t->proc->real_pid, reason);
  leave_as_crashed_follower(t, true);
}

int64_t crash_lane(const Thread* t) { return t->history ? int64_t{t->lane_index} + 1 : 0; }

void save_registers(Thread* t, const Regs& r) {
  if (!t->history) return;
  t->history->registers = {
      1,    r.r15, r.r14, r.r13, r.r12, r.rbp, r.rbx,           r.r11,    r.r10, r.r9,
      r.r8, r.rax, r.rcx, r.rdx, r.rsi, r.rdi, original(r.rip), r.eflags, r.rsp};
}

// The leader has failed while it runs: where this thread stands, and that the leader's threads
// shall park. `parted`: see Recovery::crash_position.
static void note_failure(Thread* t, uint64_t parted) {
  Process* p = t->proc->shared;
  p->crash_lane = t->lane_index + 1;
  p->crash_position = parted;
  p->crash_end = t->pos;
  p->last_words.known.store(0);
  p->failure_tsc = tsc();
  p->failing.store(stream::kIsFailing);
}

// Whether another thread of the leader has executed a program, and its fault came to nothing. If
// not, none will.
static bool fault_is_undone(const Thread* t) {
  constexpr int kLookMs = 10;
  Process* p = t->proc->shared;
  const int leader = index_of(other(t->proc->version)), own = index_of(t->proc->version);
  for (uint32_t now = stream::kNotFailing;
       !p->failing.compare_exchange_strong(now, stream::kIsDecided); now = stream::kNotFailing) {
    if (now != stream::kExecutes || !p->alive[leader].load()) return false;
    futex_wait(&p->failing, stream::kExecutes, kLookMs);
  }
  if (p->images[leader].load() == p->images[own].load()) return false;
  p->failing.store(stream::kNotFailing);
  return true;
}

// So will this version's, which ends this one.
static void await_new_image(Thread* t, const EventHeader& h) {
  constexpr int kLookMs = 100;
  Word& images = t->proc->shared->images[index_of(t->proc->version)];
  lane_skip(t, sizeof h + stream::padded(h.size));
  finish_event(t, h);
  while (!follower_must_end(t)) futex_wait(&images, images.load(), kLookMs);
  end_follower(t);
}

void leader_failed(Thread* t, const EventHeader& h, uint64_t parted) {
  Process* p = t->proc->shared;
  if (h.kind == EventKind::kFault && fault_is_undone(t)) await_new_image(t, h);
  Message* m = new_message(t, MessageKind::kCrash);
  if (m) {
    m->version = other(t->proc->version);
    m->number[0] = h.kind == EventKind::kFault ? h.nr : 0;
    m->number[1] = twin_pid(t);
    m->number[2] = h.result;
    m->number[3] = static_cast<int64_t>(h.digest);
    m->number[4] = crash_lane(t);
    if (t->regs) save_registers(t, *t->regs);
    send(m);
  }
  note_failure(t, parted);
  lane_skip(t, sizeof h + stream::padded(h.size));
  finish_event(t, h);
  p->crash_end = t->pos;
  change(p, PairState::kPaired, PairState::kFailover);
  t->lane->verdict.store(static_cast<uint32_t>(Verdict::kLeaderFailed));
  wake_producer(t);
  take_over(t);
}

// Another thread of this version has events to read: the leader may be waiting for that one (in
// full lockstep it does).
static bool others_behind(Thread* t) {
  bool behind = false;
  each_lane(t->proc->shared, [&](Lane& l) {
    behind |= &l != t->lane && l.users.load() == 2 && l.head.load() != l.tail.load();
  });
  return behind;
}

// Not known where there is no /proc.
bool leader_is_stopped(Thread* t) {
  char path[48] = "/proc/", text[128];
  append_number(path, 6, static_cast<uint64_t>(twin_pid(t)));
  copy_string(path + string_length(path, sizeof path), "/stat", 6);
  const BorrowsNumber borrows(t);
  long fd = sys(__NR_open, path, 02000000 /*O_CLOEXEC*/, 0);
  if (is_error(fd)) return false;
  long n = sys(__NR_read, fd, text, sizeof text);
  sys(__NR_close, fd);
  // pid (name) state …: proc(5); a name has at most 15 characters, and may be ")"
  while (n > 2 && text[n - 1] != ')') n--;
  return n > 2 && n + 1 < static_cast<long>(sizeof text) && (text[n + 1] | 32) == 't';
}

bool declare_leader_hung(Thread* t) {
  Process* p = t->proc->shared;
  auto a = static_cast<Activity>(t->lane->activity.load());
  if (a == Activity::kEventCall || a == Activity::kGone || !is(p, PairState::kPaired) ||
      others_behind(t))
    return false;
  report_hang(t);
  note_failure(t, t->pos);
  if (!change(p, PairState::kPaired, PairState::kFailover)) return false;
  sys(__NR_tgkill, twin_pid(t), t->lane->real_tid[index_of(other(t->proc->version))], 31);
  return true;
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
