#include "shim/agent/stand_ins.h"

#include "shim/agent/children.h"
#include "shim/agent/clone_aside.h"
#include "shim/agent/keeper.h"
#include "shim/agent/lane.h"
#include "shim/agent/signals.h"

namespace mx::agent {

namespace {

constexpr uint64_t kSigchld = 17;
constexpr int64_t kLookMs = 1000;

enum class Known : uint8_t { kLives, kEnded, kNotOurs };

// What the kernel says of a child.
Known ask_kernel(int32_t real) {
  constexpr uint64_t kPid = 1, kExited = 4, kNoWait = 0x01000000, kNoHang = 1, kAll = 0x40000000;
  Siginfo info{};
  const long answer = sys(__NR_waitid, kPid, real, &info, kExited | kNoHang | kNoWait | kAll, 0);
  if (is_error(answer)) return Known::kNotOurs;
  return info.signo ? Known::kEnded : Known::kLives;
}

[[noreturn]] void stand_in(Thread* t, Process* pair, int32_t vpid) {
  const uint32_t mine = control()->settings.reserved_fd;
  sys(__NR_close_range, 0, mine - 1, 0);
  sys(__NR_close_range, mine + 1, ~0u, 0);
  sys(__NR_prctl, 15 /*PR_SET_NAME*/, "mx-stand-in");
  t->is_husk = 1;
  t->tid = t->proc->real_pid = static_cast<int32_t>(sys(__NR_getpid));
  give_memory_back(t);
  for (uint32_t now; (now = pair->husk.load()) != 2;) {
    if (pair->vpid != vpid || sys(__NR_kill, control()->settings.monitor_pid, 0) == kEsrch)
      sys(__NR_exit_group, 1);
    futex_wait(&pair->husk, now, kLookMs);
  }
  end_with_status(t, pair->husk_status);
}

int32_t fork_stand_in(Thread* t, Process* pair, int32_t vpid) {
  return static_cast<int32_t>(with_signals_blocked([&] {
    const long pid = sys(__NR_clone, kSigchld, 0, 0, 0, 0);
    if (pid == 0) stand_in(t, pair, vpid);
    return pid;
  }));
}

}  // namespace

void make_stand_ins(Thread* t) {
  const int v = static_cast<int>(t->proc->version);
  for (uint32_t i = 0; i < t->proc->n_children; i++) {
    Child& c = t->proc->children[i];
    Process* pair = find_former(c.vpid);  // it may have ended, and the program has yet to wait
    if (!pair || pair->vppid != t->proc->vpid) continue;
    const Known known = ask_kernel(c.real);
    if (known == Known::kLives) continue;
    // It has ended for the program, too.
    if (known == Known::kEnded && (pair->real_pid[v] == c.real || !pair->alive[v].load())) continue;
    const int32_t stands = fork_stand_in(t, pair, c.vpid);
    if (is_error(stands)) continue;
    if (known == Known::kEnded) sys(__NR_wait4, c.real, 0, 1 /*WNOHANG*/, 0);
    c.real = stands;
  }
}

}  // namespace mx::agent
