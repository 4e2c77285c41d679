#include "shim/agent/children.h"

#include "shim/agent/failover.h"

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
  *c = p->children[--p->n_children];
}

// What the program does after its wait relies on what the child has done, in shared memory for one. The
// follower's child may be behind.
void await_own_end(Thread* t, int32_t real) {
  struct {
    int32_t fd;
    int16_t events, revents;
  } ended{static_cast<int32_t>(sys(__NR_pidfd_open, real, 0)), 1 /*POLLIN*/, 0};
  if (is_error(ended.fd)) return;
  constexpr int kStepMs = 50;
  int limit = static_cast<int>(control()->settings.hang_timeout_ms);
  for (int waited = 0; limit == 0 || waited < limit; waited += kStepMs)
    if (sys(__NR_poll, &ended, 1, kStepMs) > 0 || follower_must_end(t)) break;
  sys(__NR_close, ended.fd);
}

}  // namespace

Process* find_pair(int32_t vpid) {
  for (Process& p : stream::processes_taken(*control()))
    if (p.vpid == vpid && p.state.load() != 0 && (p.alive[0].load() || p.alive[1].load()))
      return &p;
  return nullptr;
}

void child_born(Thread* t, int32_t vpid, int32_t real) {
  LocalProcess* p = t->proc;
  if (p->n_children < kMaxChildren) p->children[p->n_children++] = {vpid, real};
}

void child_reaped(Thread* t, int32_t vpid) {
  if (Child* c = find_child(t, vpid)) forget(t, c);
  if (Process* pair = find_pair(vpid)) pair->alive[version_index(t)].store(0);
}

void follower_reaps(Thread* t, int32_t vpid, int status) {
  LocalProcess* p = t->proc;
  if (Child* c = find_child(t, vpid)) {
    Process* pair = find_pair(vpid);
    if (pair && pair->real_pid[version_index(t)] == c->real)
      pair->alive[static_cast<int>(stream::other(p->version))].store(0);
    if ((status & 0x7f) == kSigkill) sys(__NR_kill, c->real, kSigkill);  // from outside: so is ours
    await_own_end(t, c->real);
    if (p->n_unreaped < kMaxChildren) p->unreaped[p->n_unreaped++] = c->real;
    forget(t, c);
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
  if (pid > 0) return static_cast<uint64_t>(int64_t{own_id(t, static_cast<int32_t>(pid))});
  if (pid < -1) return static_cast<uint64_t>(-int64_t{own_id(t, static_cast<int32_t>(-pid))});
  return static_cast<uint64_t>(pid);
}

int32_t virtual_child(Thread* t, int32_t real) {
  LocalProcess* p = t->proc;
  for (uint32_t i = 0; i < p->n_children; i++)
    if (p->children[i].real == real) return p->children[i].vpid;
  return real;
}

long virtual_parent(Thread* t, long real) {
  int32_t vpid = t->proc->shared->vppid;
  return vpid > 0 && find_pair(vpid) ? vpid : real;
}

int32_t own_id(Thread* t, int32_t vpid) {
  if (vpid == t->proc->vpid) return t->proc->real_pid;
  if (Child* c = find_child(t, vpid)) return c->real;
  Process* pair = find_pair(vpid);
  if (!pair) return vpid;
  int32_t real = pair->real_pid[version_index(t)];
  return real > 0 && pair->alive[version_index(t)].load() ? real : vpid;
}

int32_t acting_id(Thread* t, int32_t vpid) {
  if (vpid == t->proc->vpid) return t->proc->real_pid;
  if (Process* pair = find_pair(vpid)) {
    uint32_t leader = pair->leader.load() & 1;
    if (pair->alive[leader].load() && pair->real_pid[leader] > 0) return pair->real_pid[leader];
  }
  return own_id(t, vpid);
}

}  // namespace mx::agent
