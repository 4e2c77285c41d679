#include "shim/agent/children.h"

#include "shim/agent/borrowed.h"
#include "shim/agent/failover.h"
#include "shim/agent/lane.h"

namespace mx::agent {

namespace {

constexpr int kNoHang = 1;
constexpr int kSigkill = 9;

int version_index(const Thread* t) { return static_cast<int>(t->proc->version); }

Child* find_child(Thread* t, int32_t vpid) {
  LocalProcess* p = t->proc;
  for (uint32_t i = 0; i < p->n_children; i++)
    if (p->children[i].vpid == vpid) return &p->children[i];
  return nullptr;
}

void forget(Thread* t, Child* c) {
  LocalProcess* p = t->proc;
  p->former[p->n_former++ % (sizeof p->former / sizeof *c)] = *c;
  *c = p->children[--p->n_children];
}

// Until the process has ended; `limit_ms` 0: however long that takes.
void await_end(Thread* t, int32_t real, int limit_ms) {
  BorrowsNumber borrows(this_thread());
  struct {
    int32_t fd;
    int16_t events, revents;
  } ended{static_cast<int32_t>(sys(__NR_pidfd_open, real, 0)), 1 /*POLLIN*/, 0};
  if (is_error(ended.fd)) return;
  ended.fd = aside(ended.fd);
  borrows.give_back();
  constexpr int kStepMs = 50;
  for (int waited = 0; limit_ms == 0 || waited < limit_ms; waited += kStepMs)
    if (sys(__NR_poll, &ended, 1, kStepMs) > 0 || follower_must_end(t)) break;
  sys(__NR_close, ended.fd);
}

// What the program does after its wait relies on what the child has done, in shared memory for one.
// The follower's child may be behind.
void await_own_end(Thread* t, int32_t real) {
  await_end(t, real, static_cast<int>(control()->settings.hang_timeout_ms));
}

// A signal to a process whose leader was killed is for the survivor, once it has taken over.
void await_takeover(Process* pair) {
  constexpr int kLookMs = 5, kLongestMs = 2000;
  auto failover = static_cast<uint32_t>(PairState::kFailover);
  for (int waited = 0; waited < kLongestMs && pair->state.load() == failover; waited += kLookMs)
    futex_wait(&pair->state, failover, kLookMs);
}

bool lives(const Process& p) {
  return p.state.load() != 0 && (p.alive[0].load() || p.alive[1].load());
}

}  // namespace

Process* find_pair(int32_t vpid) {
  for (Process& p : stream::processes_taken(*control()))
    if (p.vpid == vpid && lives(p)) return &p;
  return nullptr;
}

Process* find_former(int32_t vpid) {
  if (Process* living = find_pair(vpid)) return living;
  for (Process& p : stream::processes_taken(*control()))
    if (p.vpid == vpid && p.state.load() != static_cast<uint32_t>(PairState::kFree)) return &p;
  return nullptr;
}

namespace {

// A survivor's child may have followed one that holds locks and pipes until its last moment.
void await_twin(Thread* t, int32_t vpid) {
  constexpr int kLongestMs = 500, kReapedMs = 100;
  const Process* pair = find_former(vpid);
  const bool led = pair && (pair->taker.load() ||
                            pair->leader.load() != static_cast<uint32_t>(t->proc->version));
  int32_t twin = led ? pair->real_pid[1 - version_index(t)] : 0;
  if (twin <= 0) return;
  await_end(t, twin, kLongestMs);
  // Its number is the program's: the program may look
  // whether there is still a process of that name.
  Word never{0};
  Process* own = t->proc->shared;
  own->to_reap.store(static_cast<uint32_t>(twin));
  for (int k = 0; k < kReapedMs && sys(__NR_kill, twin, 0) != kEsrch; k++) {
    futex_wake(&own->husk, 8);
    futex_wait(&never, 0, 1);
  }
}

}  // namespace

void child_born(Thread* t, int32_t vpid, int32_t real) {
  LocalProcess* p = t->proc;
  if (Child* known =
          find_child(t, vpid))  // by note_children(), before this version came to its birth
    known->real = real;
  else if (p->n_children < kMaxChildren)
    p->children[p->n_children++] = {vpid, real, 0};
}

void note_told(Thread* t, int32_t vpid) {
  if (Child* c = find_child(t, vpid)) c->told = 1;
}

namespace {

constexpr uint64_t kAll = 0, kPid = 1;  // P_ALL, P_PID

// One of these children has ended, and nobody has waited for it; it stays so. (The kernel has sent
// its signal, then.)
bool find_ended(uint64_t which, int32_t real, Siginfo& info) {
  constexpr uint64_t kExited = 4, kNoWait = 0x01000000;
  info = {};
  return sys(__NR_waitid, which, real, &info, kExited | kNoHang | kNoWait, 0) == 0 &&
         info.signo != 0;
}

}  // namespace

void await_told_ends(Thread* t) {
  constexpr int kLongestMs = 500;
  for (uint32_t i = 0; i < t->proc->n_children; i++) {
    const Child& c = t->proc->children[i];
    if (!c.told) continue;
    await_end(t, c.real, kLongestMs);
    Siginfo info;
    // (its end shows a moment before the kernel has sent the signal: this waits for that)
    find_ended(kPid, c.real, info);
  }
}

bool untold_child_has_ended(const Thread* t, Siginfo& info) {
  const LocalProcess* p = t->proc;
  if (!find_ended(kAll, 0, info)) return false;
  bool known = false;
  for (uint32_t i = 0; i < p->n_children; i++) known |= p->children[i].real == info.child.pid;
  if (!known) return true;
  for (uint32_t i = 0; i < p->n_children; i++) {
    const Child& c = p->children[i];
    if (!c.told && find_ended(kPid, c.real, info)) return true;
  }
  info = {};
  return false;
}

void note_children(Thread* t) {
  for (const Process& p : stream::processes_taken(*control())) {
    if (p.vpid && lives(p) && &p != t->proc->shared && p.vppid == t->proc->vpid &&
        !find_child(t, p.vpid))
      child_born(t, p.vpid, p.vpid);
  }
}

void child_reaped(Thread* t, int32_t vpid) {
  if (Child* c = find_child(t, vpid)) forget(t, c);
  if (Process* pair = find_pair(vpid)) pair->alive[version_index(t)].store(0);
  if (t->proc->promoted) await_twin(t, vpid);
}

namespace {

// Of a process that has ended and may have been adopted
// by this one: nobody has told its number since.
int32_t ended_id(const Thread* t, int32_t vpid) {
  const Process* p = find_former(vpid);
  return p ? p->real_pid[version_index(t)] : 0;
}

void reap_later(LocalProcess* p, int32_t real) {
  if (p->n_unreaped < kMaxChildren) p->unreaped[p->n_unreaped++] = real;
}

}  // namespace

void follower_reaps(Thread* t, int32_t vpid, int status) {
  LocalProcess* p = t->proc;
  if (Child* c = find_child(t, vpid)) {
    Process* pair = find_pair(vpid);
    // A copy that came back has taken the place of the one that was born.
    const int32_t own = pair ? pair->real_pid[version_index(t)] : 0;
    if (own > 0) pair->alive[static_cast<int>(stream::other(p->version))].store(0);
    const bool killed = (status & 0x7f) == kSigkill;  // from outside: so is ours
    if (killed) sys(__NR_kill, c->real, kSigkill);
    if (own > 0 && own != c->real) {
      if (killed) sys(__NR_kill, own, kSigkill);
      await_own_end(t, own);
    }
    await_own_end(t, c->real);
    reap_later(p, c->real);
    forget(t, c);
  } else if (const int32_t adopted = ended_id(t, vpid); adopted > 0) {
    await_own_end(t, adopted);
    reap_later(p, adopted);
  }
  uint32_t left = 0;
  for (uint32_t i = 0; i < p->n_unreaped; i++) {
    long r = sys(__NR_wait4, p->unreaped[i], 0, kNoHang, 0);
    if (r == 0) p->unreaped[left++] = p->unreaped[i];
  }
  p->n_unreaped = left;
}

uint64_t wait_target(Thread* t, int64_t pid) {
  if (!t->proc->promoted) return static_cast<uint64_t>(pid);
  if (pid > 0) {
    const Child* c = find_child(t, static_cast<int32_t>(pid));
    int32_t own = c ? c->real : own_id(t, static_cast<int32_t>(pid));
    if (own == pid && ended_id(t, own) > 0) own = ended_id(t, own);
    return static_cast<uint64_t>(int64_t{own});
  }
  if (pid < -1) return static_cast<uint64_t>(-int64_t{own_group(t, static_cast<int32_t>(-pid))});
  return static_cast<uint64_t>(pid);
}

int32_t virtual_id(Thread* t, int32_t real) {
  LocalProcess* p = t->proc;
  if (real == p->real_pid) return p->vpid;
  for (uint32_t i = 0; i < p->n_children; i++)
    if (p->children[i].real == real) return p->children[i].vpid;
  for (Process& pair : stream::processes_taken(*control()))
    for (int v : {0, 1})
      if (pair.real_pid[v] == real && pair.vpid && pair.alive[v].load() && pair.state.load())
        return pair.vpid;
  for (Process& pair : stream::processes_taken(*control()))
    if (pair.real_pid[version_index(t)] == real && pair.vpid && pair.state.load()) return pair.vpid;
  return real;
}

int32_t virtual_group(Thread* t, int32_t real, bool session) {
  const stream::Settings& s = control()->settings;
  const uint32_t own = control()->processes[0].on_its_own.load() &
                       (session ? stream::kOwnSession : stream::kOwnGroup);
  if (real == s.apart && !own) return session ? s.first_session : s.first_group;
  return virtual_id(t, real);
}

namespace {

// In one of the versions; also while nobody leads, for a survivor is about to.
bool goes_on(const Process& p) {
  const uint32_t leader = p.leader.load() & 1;
  if (p.alive[leader].load()) return true;
  return p.state.load() == static_cast<uint32_t>(PairState::kFailover) &&
         p.alive[1 - leader].load();
}

// Whose child the process would be if no leader had been killed: its parent, or the nearest above
// that adopts orphans.
int32_t parent_above(const Process& child) {
  constexpr int kDeepest = 64;
  int32_t vpid = child.vppid;
  for (int depth = 0; depth < kDeepest && vpid > 0; depth++) {
    const Process* p = find_former(vpid);
    if (!p) return 0;
    if (goes_on(*p) && (depth == 0 || p->adopts)) return vpid;
    vpid = p->vppid;
  }
  return 0;
}

}  // namespace

bool adopted_within(const Thread* t) {
  constexpr int kDeepest = 64;
  int32_t vpid = t->proc->shared->vppid;
  for (int depth = 0; depth < kDeepest && vpid > 0; depth++) {
    const Process* p = find_former(vpid);
    if (!p) return false;
    if (p->adopts) return true;
    vpid = p->vppid;
  }
  return false;
}

long virtual_parent(Thread* t, long real) {
  int32_t parent = virtual_id(t, static_cast<int32_t>(real));
  if (parent != real || find_pair(parent)) return parent;
  int32_t above = parent_above(*t->proc->shared);
  return above ? above : real;
}

int32_t own_id(Thread* t, int32_t vpid) {
  if (vpid == t->proc->vpid) return t->proc->real_pid;
  const Child* c = find_child(t, vpid);
  const int32_t born = c ? c->real : vpid;
  const Process* pair = find_pair(vpid);
  if (!pair) return born;
  const int32_t real = pair->real_pid[version_index(t)];
  return real > 0 && pair->alive[version_index(t)].load() ? real : born;
}

void await_children(Thread* t) {
  constexpr int kLookMs = 5, kLongestMs = 1000;
  if (!t->proc->promoted) return;
  int v = version_index(t);
  for (int waited = 0; waited < kLongestMs; waited += kLookMs) {
    Process* behind = nullptr;
    for (Process& p : stream::processes_taken(*control())) {
      auto state = static_cast<PairState>(p.state.load());
      // (A child that has just been made is not alive yet, and a leader that hands over may count
      // as gone before the other one leads. Neither takes signals then.)
      const bool changes = state == PairState::kPaired || state == PairState::kFailover;
      if (changes && static_cast<int>(p.leader.load()) != v) behind = &p;
    }
    if (!behind) return;
    futex_wait(&behind->state, behind->state.load(), kLookMs);
  }
}

int32_t own_group(Thread* t, int32_t group) {
  int32_t own = own_id(t, group);
  if (own != group) return own;
  for (const Child& c : t->proc->former)
    if (c.vpid == group && c.real) own = c.real;
  return own;
}

int32_t acting_id(Thread* t, int32_t vpid) {
  if (vpid == t->proc->vpid) return t->proc->real_pid;
  if (Process* pair = find_pair(vpid)) {
    await_takeover(pair);
    uint32_t leader = pair->leader.load() & 1;
    if (pair->alive[leader].load() && pair->real_pid[leader] > 0) return pair->real_pid[leader];
  }
  return own_id(t, vpid);
}

}  // namespace mx::agent
