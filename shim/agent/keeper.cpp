#include "shim/agent/keeper.h"

#include "shim/agent/lane.h"

namespace mx::agent {

namespace {
constexpr uint64_t kCloneFiles = 0x400;
constexpr uint32_t kStop = 3;  // Process::fd_list_state: the keeper is to end
constexpr uint64_t kUserEnd = 0x7ffffffff000;

// Nobody will ask any more: the pair has ended, or goes on alone, or mx itself is gone.
bool needed(Process* p) {
  auto state = static_cast<PairState>(p->state.load());
  if (state != PairState::kPaired && state != PairState::kFailover) return false;
  if (sys(__NR_kill, control()->settings.monitor_pid, 0) == kEsrch) return false;
  return p->alive[0].load() || p->alive[1].load();
}

[[noreturn]] void keep(Thread* t) {
  Process* p = t->proc->shared;
  uint64_t all = ~uint64_t{0};
  sys(__NR_rt_sigprocmask, 2, &all, nullptr, 8);
  sys(__NR_setsid);
  sys(__NR_prctl, 4 /*PR_SET_DUMPABLE*/, 1);
  sys(__NR_prctl, 15 /*PR_SET_NAME*/, "mx-keeper");
  // Nothing of the program is needed: give its memory back.
  sys(__NR_munmap, 0x10000, stream::kAgentBase - 0x10000);
  uint64_t end = stream::kArenaBase + stream::kArenaSize;
  sys(__NR_munmap, end, kUserEnd - end);
  while (p->fd_list_state.load() != 1) {
    futex_wait(&p->fd_list_state, 0, 1000);
    if (p->fd_list_state.load() == kStop || !needed(p)) sys(__NR_exit_group, 0);
  }
  publish_descriptor_list(t);
  while (!p->descriptors_taken.load()) futex_wait(&p->descriptors_taken, 0, 1000);
  sys(__NR_exit_group, 0);
  __builtin_unreachable();
}
}  // namespace

void start_keeper(Thread* t) {
  Process* p = t->proc->shared;
  if (p->keeper_pid || t->role != Role::kLeader) return;
  uint64_t all = ~uint64_t{0}, old;
  sys(__NR_rt_sigprocmask, 2, &all, &old, 8);
  long pid = sys(__NR_clone, kCloneFiles, 0, 0, 0, 0);
  if (pid == 0) keep(t);
  if (pid > 0) p->keeper_pid = static_cast<int32_t>(pid);
  sys(__NR_rt_sigprocmask, 2, &old, nullptr, 8);
}

void stop_keeper(Thread* t) {
  Process* p = t->proc->shared;
  if (!p->keeper_pid || t->role == Role::kFollower) return;
  // Not by a signal: the program may have given up the right to send one to it (setuid).
  p->fd_list_state.store(kStop);
  futex_wake(&p->fd_list_state, 8);
  sys(__NR_wait4, p->keeper_pid, 0, 0x80000000 /*__WCLONE*/, 0);
  p->keeper_pid = 0;
  p->fd_list_state.store(0);
}

void publish_descriptor_list(Thread* t) {
  Process* p = t->proc->shared;
  auto* list = reinterpret_cast<int32_t*>(lane_ring(p->lane));
  uint32_t n = 0, top = p->max_fd.load();
  if (top < 16) top = 16;
  for (uint32_t fd = 0; fd <= top && n < stream::kLaneRing / 4; fd++) {
    if (fd == control()->settings.reserved_fd) continue;
    long flags = sys(__NR_fcntl, fd, 1 /*F_GETFD*/, 0);
    if (!is_error(flags)) list[n++] = static_cast<int32_t>(fd | ((flags & 1) ? 0x80000000u : 0));
  }
  p->fd_count = n;
  p->fd_list_state.store(2);
  futex_wake(&p->fd_list_state, 8);
}

}  // namespace mx::agent
