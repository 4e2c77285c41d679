#include "shim/agent/keeper.h"

#include "shim/agent/clone_aside.h"
#include "shim/agent/fd_passing.h"
#include "shim/agent/lane.h"
#include "shim/agent/pair.h"
#include "shim/agent/segments.h"

namespace mx::agent {

namespace {
constexpr uint64_t kCloneVm = 0x100, kCloneFiles = 0x400, kParentSetTid = 0x100000;
constexpr uint64_t kClones = 0x80000000 /*__WCLONE*/, kNoHang = 1;
constexpr uint64_t kUserEnd = 0x7ffffffff000;

bool is_spare(const Process* p, int32_t self) { return p->spare_keeper == self; }

// Nobody will ask any more: another keeper stands in, the pair has ended or goes on alone, or mx is
// gone. `of`: the process whose table it shares.
bool needed(Process* p, int32_t self, Version v, int32_t of) {
  if (is_spare(p, self) && (p->real_pid[index_of(v)] != of || !p->alive[index_of(v)].load()))
    return false;
  if (!is_spare(p, self) && p->keeper_pid != self) return false;
  auto state = static_cast<PairState>(p->state.load());
  if (state != PairState::kPaired && state != PairState::kFailover) return false;
  if (sys(__NR_kill, control()->settings.monitor_pid, 0) == kEsrch) return false;
  if (p->alive[0].load() || p->alive[1].load()) return true;
  // The survivor's process is yet to be born.
  return state == PairState::kFailover && p->real_pid[1 - (p->leader.load() & 1)] == 0;
}
// The survivor wants a list, and there is no leader left that could write it. (A husk can also let
// go of its locks.) What another keeper is asked for is no business of a spare one.
bool asked(Process* p, int32_t self) {
  return p->fd_list_state.load() == 1 && !p->alive[p->leader.load() & 1].load() &&
         !is_spare(p, self);
}
}  // namespace

void give_memory_back(Thread* t) {
  // The kernel writes there whenever it returns to this thread.
  if (t->rseq[0]) sys(__NR_rseq, t->rseq[0], t->rseq[1], 1 /*RSEQ_FLAG_UNREGISTER*/, t->rseq[3]);
  sys(__NR_munmap, 0x10000, stream::kAgentBase - 0x10000);
  sys(__NR_munmap, stream::kRangeEnd, kUserEnd - stream::kRangeEnd);
}

void wake_keepers(Process* p) {
  p->keeper_wake.fetch_add(1);
  futex_wake(&p->keeper_wake, 8);
}

void allow_takeover() {
  sys(__NR_prctl, 4 /*PR_SET_DUMPABLE*/, 1);
  sys(__NR_prctl, 0x59616d61 /*PR_SET_PTRACER*/, -1);  // Yama, if there is one
}

namespace {
// The table first: giving back this process's memory takes a while, and its parent waits for the
// table only.
[[noreturn]] void leave(Process* p, int32_t self) {
  constexpr uint64_t kUnshare = 2;  // CLOSE_RANGE_UNSHARE
  sys(__NR_close_range, 0, ~0u, kUnshare);
  if (is_spare(p, self)) p->spare_keeper = 0;
  p->keeper_left.store(static_cast<uint32_t>(self));
  futex_wake(&p->keeper_left, 8);
  sys(__NR_exit_group, 0);
  __builtin_unreachable();
}

[[noreturn]] void keep(Thread* t, uint32_t seen, bool young) {
  Process* p = t->proc->shared;
  auto self = static_cast<int32_t>(sys(__NR_getpid));
  const int32_t of = t->proc->real_pid;
  sys(__NR_setsid);
  if (!young) allow_takeover();  // else it is as its maker
  sys(__NR_prctl, 15 /*PR_SET_NAME*/, "mx-keeper");
  if (!young) {
    give_memory_back(t);
    Word& apart = p->keeper_apart[index_of(t->proc->version)];
    apart.store(static_cast<uint32_t>(self));
    futex_wake(&apart, 1);
  }
  while (!asked(p, self)) {
    futex_wait(&p->keeper_wake, seen, 1000);
    seen = p->keeper_wake.load();
    if (!asked(p, self) && !needed(p, self, t->proc->version, of)) leave(p, self);
  }
  if (!needed(p, self, t->proc->version, of)) leave(p, self);  // another leader's are asked for
  publish_descriptor_list(t);
  await_descriptors_taken(p, p->alive[1 - (p->leader.load() & 1)]);
  sys(__NR_exit_group, 0);
  __builtin_unreachable();
}

alignas(16) char young_stack[16 * 1024];
uint32_t young_saw;

[[noreturn]] void keep_young(void* maker) { keep(static_cast<Thread*>(maker), young_saw, true); }

// Of a keeper that is a child of this process and not wanted any more. Not by a signal: the program
// may have given up the right to send one to it (setuid).
void end_keeper(Process* p, int32_t pid) {
  wake_keepers(p);
  sys(__NR_wait4, pid, 0, kClones, 0);
}

// Until then the kernel counts it among those who have a System V segment attached.
void await_memory_given_back(const Thread* t, uint32_t keeper) {
  constexpr int kLongestMs = 100;
  Word& apart = t->proc->shared->keeper_apart[index_of(t->proc->version)];
  for (int waited = 0; waited < kLongestMs; waited++) {
    const uint32_t last = apart.load();
    if (last == keeper) return;
    futex_wait(&apart, last, 1);
  }
}

// `pid`: where its number goes, before it runs. Returns it, or an error.
long make_keeper(Thread* t, int32_t* pid) {
  const long keeper = with_signals_blocked([&] {
    const uint32_t seen = t->proc->shared->keeper_wake.load();
    const long made = sys(__NR_clone, kCloneFiles | kParentSetTid, 0, pid, 0, 0);
    if (made == 0) keep(t, seen, false);
    return made;
  });
  if (!is_error(keeper) && has_segments())
    await_memory_given_back(t, static_cast<uint32_t>(keeper));
  return keeper;
}

// A number that is not this process's child any more may be anybody's.
bool is_living_child(int32_t pid) {
  constexpr uint64_t kPid = 1, kExited = 4, kNoWait = 0x01000000;
  Siginfo info{};
  return pid > 0 &&
         sys(__NR_waitid, kPid, pid, &info, kExited | kNoHang | kNoWait | kClones, 0) == 0 &&
         info.signo == 0;
}
}  // namespace

void start_young_keeper(Thread* t) {
  Process* p = t->proc->shared;
  young_saw = p->keeper_wake.load();
  p->keeper_is_young = 1;
  const long made = with_signals_blocked([&] {
    return mx_clone_aside(kCloneFiles | kCloneVm | kParentSetTid, young_stack + sizeof young_stack,
                          &p->keeper_pid, keep_young, t);
  });
  if (is_error(made)) start_keeper(t);
}

void start_keeper(Thread* t) {
  Process* p = t->proc->shared;
  if (t->role != Role::kLeader) return;
  p->keeper_is_young = 0;
  const int32_t previous = p->keeper_pid;
  if (is_error(make_keeper(t, &p->keeper_pid)) || !previous) return;
  end_keeper(p, previous);
}

void start_spare_keeper(Thread* t) {
  int32_t& spare = t->proc->shared->spare_keeper;
  if (t->role == Role::kFollower && !is_living_child(spare)) make_keeper(t, &spare);
}

void take_spare_keeper(Thread* t) {
  Process* p = t->proc->shared;
  const int32_t spare = p->spare_keeper;
  const bool good = is_living_child(spare);
  p->keeper_pid = good ? spare : 0;
  p->keeper_is_young = 0;
  p->spare_keeper = 0;  // after it has become the keeper: it is always one of the two
  if (!good) start_keeper(t);
}

void stop_spare_keeper(Thread* t) {
  Process* p = t->proc->shared;
  const int32_t spare = p->spare_keeper;
  if (!is_living_child(spare)) return;
  p->spare_keeper = 0;
  end_keeper(p, spare);
}

void keep_if_wanted(Thread* t) {
  Word& word = t->proc->shared->look_up[static_cast<int>(t->proc->version)];
  if (__builtin_expect(!(word.load() & stream::kWantKeeper), 1)) return;
  const Process* p = t->proc->shared;
  if ((word.fetch_and(~stream::kWantKeeper) & stream::kWantKeeper) &&
      (!p->keeper_pid || (p->keeper_is_young && !t->proc->has_memfd)))
    start_keeper(t);
}

void leave_children(Thread* t) {
  if (t->role != Role::kLeader) return;
  for (Process& child : stream::processes_taken(*control())) {
    if (child.vppid != t->proc->vpid ||
        child.state.load() != static_cast<uint32_t>(PairState::kPaired))
      continue;
    const uint32_t v = child.leader.load() & 1;
    child.look_up[v].fetch_or(stream::kWantKeeper);
    // One that sleeps in a call looks up; one that is not there yet looks at its first call.
    const int32_t pid = child.real_pid[v];
    if (pid > 0) sys(__NR_tgkill, pid, pid, 31);
  }
}

void stop_keeper(Thread* t) {
  Process* p = t->proc->shared;
  if (t->role == Role::kFollower) return stop_spare_keeper(t);
  const int32_t keeper = p->keeper_pid;
  if (!keeper) return;
  p->keeper_pid = 0;
  // An orphan would be the monitor's, who can have it, or a subreaper's among the program's
  // processes, who must not see it.
  if (!p->is_root) return end_keeper(p, keeper);
  wake_keepers(p);
  constexpr int kLookMs = 50;  // it may have been killed
  for (uint32_t left; (left = p->keeper_left.load()) != static_cast<uint32_t>(keeper) &&
                      sys(__NR_wait4, keeper, 0, kClones | kNoHang, 0) == 0;)
    futex_wait(&p->keeper_left, left, kLookMs);
}

namespace {
// The survivor may have given up its rights (setuid, capset) after its keeper was made, and who had
// the descriptors may have another effective user now: descriptors are fetched only from a process
// whose real, effective and saved ids are the survivor's real one and that has no capability which
// it has not (ptrace(2); kernel, cap_ptrace_access_check).
void become_user(uint32_t uid, uint32_t gid) {
  const uint32_t header[2] = {0x20080522 /*_LINUX_CAPABILITY_VERSION_3*/, 0}, none[6] = {};
  sys(__NR_setresgid, gid, gid, gid);
  sys(__NR_setresuid, uid, uid, uid);
  sys(__NR_capset, header, none);
  allow_takeover();
}
}  // namespace

void publish_descriptor_list(Thread* t) {
  Process* p = t->proc->shared;
  uint32_t asked = 1;
  if (!p->fd_list_state.compare_exchange_strong(asked, 3)) return;
  become_user(p->survivor_uid, p->survivor_gid);
  auto* list = reinterpret_cast<int32_t*>(lane_scratch(p->fd_list_lane % stream::kMaxLanes));
  uint32_t n = 0, top = p->max_fd.load();
  // Beyond the highest number published there may be what the last call opened.
  top = top < 16 ? 272 : top < kMaxFds ? top + 256 : kMaxFds;
  for (uint32_t fd = 0; fd <= top && n < stream::kLaneScratch / sizeof *list; fd++) {
    if (fd == control()->settings.reserved_fd) continue;
    long flags = sys(__NR_fcntl, fd, 1 /*F_GETFD*/, 0);
    if (!is_error(flags)) list[n++] = static_cast<int32_t>(fd | ((flags & 1) ? 0x80000000u : 0));
  }
  p->fd_count = n;
  p->fd_list_state.store(2);
  futex_wake(&p->fd_list_state, 8);
}

}  // namespace mx::agent
