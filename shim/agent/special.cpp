#include "shim/agent/special.h"

#include "shim/agent/align.h"
#include "shim/agent/checkpoint.h"
#include "shim/agent/children.h"
#include "shim/agent/failover.h"
#include "shim/agent/flight.h"
#include "shim/agent/limits.h"
#include "shim/agent/memory.h"
#include "shim/agent/query.h"
#include "shim/agent/report.h"

namespace mx::agent {

namespace {
constexpr uint64_t kRlimitNproc = 6, kRlimitNofile = 7;
}

bool own_identity(Call& c, long& result) {
  switch (c.nr) {
    case __NR_getpid:
      result = c.t->proc->vpid;
      return true;
    case __NR_gettid:
      result = c.t->vtid;
      return true;
    default:
      return false;
  }
}

long run_set_tid_address(Call& c) {
  run_local(c);
  c.t->clear_tid = c.args[0];
  return c.t->vtid;
}

// Options that return a value through a pointer; the rest is executed in both versions.
void restore_death_signal(Thread* t) {
  if (uint32_t sig = t->proc->shared->death_signal) sys(__NR_prctl, 1 /*PR_SET_PDEATHSIG*/, sig);
}

long run_prctl(Call& c) {
  constexpr int kGetName = 16, kSetSeccomp = 22, kSetDumpable = 4;
  switch (static_cast<int>(c.args[0])) {
    case kGetName:  // also written through /proc/self/comm, the leader's
      c.blob = c.args[1];
      c.blob_size = 16;
      return run_event(c);
    case 2 /*PR_GET_PDEATHSIG*/:
      c.blob = c.args[1];
      c.blob_size = 4;
      return run_event(c);
    case 37 /*PR_GET_CHILD_SUBREAPER*/:
    case 25 /*PR_GET_TSC*/:
    case 40 /*PR_GET_TID_ADDRESS*/:
      return run_local(c);
    case kSetSeccomp:
      if (c.args[1] == 2) c.exec[0] = c.args[0];
      return run_seccomp_filter(c);
    case 1 /*PR_SET_PDEATHSIG*/:
      // The follower's parent is another process; only the leader's death counts.
      if (long ret = run_event(c); ret != 0) return ret;
      c.t->proc->shared->death_signal = static_cast<uint32_t>(c.args[1]);
      return 0;
    case 36 /*PR_SET_CHILD_SUBREAPER*/:
      c.t->proc->shared->adopts = c.args[1] != 0;
      return run_both(c);
    case kSetDumpable:
    default:
      return run_both(c);
  }
}

// A change of user makes a process undumpable, and then the other version, which is of that user
// too, may not fetch its descriptors any more. See docs/limits.md.
long run_credentials(Call& c) {
  long ret = run_both(c);
  if (c.t->role != Role::kSolo) sys(__NR_prctl, 4 /*PR_SET_DUMPABLE*/, 1);
  return ret;
}

// The header names the calling thread, by 0 or its id as
// the program knows it; the kernel knows another one.
long run_capabilities(Call& c) {
  uint32_t header[2];
  const bool known = copy_guarded(header, reinterpret_cast<void*>(c.args[0]), sizeof header);
  const bool own = known && static_cast<int32_t>(header[1]) == c.t->vtid;
  if (own) {
    c.scratch[0] = header[0];
    c.exec[0] = reinterpret_cast<uint64_t>(c.scratch);
  }
  const long ret = c.nr == __NR_capget ? run_local(c) : run_credentials(c);
  if (own &&
      static_cast<uint32_t>(c.scratch[0]) != header[0])  // the version that the kernel prefers
    guarded([&] { memcpy(reinterpret_cast<void*>(c.args[0]), c.scratch, sizeof header[0]); });
  return ret;
}

long run_arch_prctl(Call& c) {
  constexpr uint64_t kSetGs = 0x1001, kGetGs = 0x1004;
  if (c.args[0] == kSetGs) {  // the gs base is the agent's
    report_refused(c);
    return kEperm;
  }
  if (c.args[0] == kGetGs) {
    if (!writable(reinterpret_cast<void*>(c.args[1]), 8)) return kEfault;
    *reinterpret_cast<uint64_t*>(c.args[1]) = 0;
    return 0;
  }
  constexpr uint64_t kSetFs = 0x1002;
  if (c.args[0] == kSetFs) c.t->fs_base = c.args[1];
  return run_local(c);
}

// What the kernel keeps for a thread, for a copy of it: set_robust_list, rseq.
long run_registration(Call& c) {
  long ret = run_local(c);
  if (ret != 0) return ret;
  bool rseq = c.nr == __NR_rseq;
  uint64_t* kept = rseq ? c.t->rseq : c.t->robust_list;
  for (int i = 0; i < (rseq ? 4 : 2); i++) kept[i] = c.args[i];
  if (rseq && (c.args[2] & 1 /*RSEQ_FLAG_UNREGISTER*/)) kept[0] = 0;
  return ret;
}

// A filter of the program would see the agent's calls, not the program's, and could kill both
// versions for what only mx does. It is accepted and has no effect; the report says so.
long run_seccomp_filter(Call& c) {
  report_refused(c);
  return run_accepted(c);
}

long run_accepted(Call& c) {
  if (c.t->role == Role::kFollower) return run_event(c);
  if (c.t->role == Role::kLeader) leader_begin(c);
  c.ret = 0;
  if (c.t->role == Role::kLeader) publish(c, EventKind::kCall, 0);
  return 0;
}

long run_seccomp(Call& c) {
  if (c.args[0] <= 1) return run_seccomp_filter(c);
  return run_event(c);
}

namespace {

// A limit that a follower only remembers, or null. The kernel counts the processes of both versions
// against RLIMIT_NPROC: the leader's forks are refused for that when the program's would be or
// earlier; the follower only does what the leader did. And who takes descriptors over needs a few
// more of them for a moment.
uint64_t* remembered_limit(const Thread* t, uint64_t resource) {
  if (t->role != Role::kFollower) return nullptr;
  if (resource == kRlimitNproc) return t->proc->process_limit;
  return resource == kRlimitNofile ? t->proc->file_limit : nullptr;
}

bool is_set(const uint64_t* limit) { return limit[0] || limit[1]; }

// Up: numbers that the leader comes to are the follower's, too.
void raise_limit(uint64_t resource, const uint64_t* limit) {
  uint64_t now[2];
  if (is_error(sys(__NR_prlimit64, 0, resource, 0, now))) return;
  for (int i = 0; i < 2; i++)
    if (now[i] < limit[i]) now[i] = limit[i];
  sys(__NR_setrlimit, resource, now);
}

long remember_limit(Call& c, uint64_t resource, uint64_t limit) {
  uint64_t* to = remembered_limit(c.t, resource);
  const long ret = run_event(c);
  if (!c.consumed || ret != 0) return ret;
  memcpy(to, reinterpret_cast<void*>(limit), 16);
  if (resource == kRlimitNofile) raise_limit(resource, to);
  return ret;
}

}  // namespace

void restore_limits(Thread* t) {
  LocalProcess* p = t->proc;
  if (is_set(p->process_limit)) sys(__NR_setrlimit, kRlimitNproc, p->process_limit);
  if (is_set(p->file_limit)) sys(__NR_setrlimit, kRlimitNofile, p->file_limit);
}

long run_setrlimit(Call& c) {
  if (remembered_limit(c.t, c.args[0])) return remember_limit(c, c.args[0], c.args[1]);
  c.exec[1] = limit_for_kernel(c.args[0], c.args[1], c.scratch);
  return run_both(c);
}

// Both versions have the same limits, so each asks for itself (libcs ask more or less often).
long own_limit(Call& c) {
  long ret = run_local(c);
  const uint64_t* limit = remembered_limit(c.t, c.args[1]);
  if (ret == 0) present_limit(c.args[1], c.args[3]);
  if (ret == 0 && limit && is_set(limit) && c.args[3])
    memcpy(reinterpret_cast<void*>(c.args[3]), limit, 16);
  return ret;
}

long run_prlimit(Call& c) {
  auto pid = static_cast<int32_t>(c.args[0]);
  if (pid != 0 && pid != c.t->proc->vpid) return run_event(c);
  if (!c.args[2]) {
    c.exec[0] = 0;
    return own_limit(c);
  }
  if (remembered_limit(c.t, c.args[1])) return remember_limit(c, c.args[1], c.args[2]);
  if (pid != 0) c.exec[0] = 0;
  c.exec[2] = limit_for_kernel(c.args[1], c.args[2], c.scratch);
  const long ret = run_both(c);
  if (ret == 0 && !c.t->regs_redirected)
    present_limit(c.args[1], c.args[3]);  // the event has the kernel's
  return ret;
}

// shmctl, msgctl, semctl: what IPC_STAT and its kin return.
void measure_ipc_control(Call& c) {
  constexpr uint64_t kStat = 2, kInfo = 3, kVersion = 0x100;
  bool semaphores = c.nr == __NR_semctl, messages = c.nr == __NR_msgctl;
  uint64_t command = c.args[semaphores ? 2 : 1] & ~kVersion;
  uint64_t stat_size = semaphores ? 104
                       : messages ? 120
                                  : 112,
           info_size = semaphores         ? 40
                       : messages         ? 32
                       : command == kInfo ? 72
                                          : 48;
  // IPC_STAT, IPC_INFO, then those of the kind: SHM_STAT, SHM_INFO, SHM_STAT_ANY from 13, others
  // from 11 or 18
  uint64_t first = semaphores ? 18 : messages ? 11 : 13;
  c.blob = c.args[semaphores ? 3 : 2];
  if (command == kStat || command == first || command == first + 2) c.blob_size = stat_size;
  if (command == kInfo || command == first + 1) c.blob_size = info_size;
}

// The program knows a survivor's processes by other ids. The segment that was the leader's goes
// with the survivor's own.
long perform_ipc_control(Call& c) {
  constexpr uint64_t kRemove = 0, kStat = 2, kLastOperator = 11;  // IPC_RMID, IPC_STAT, GETPID
  const long ret = execute_by_role(c);
  if (ret < 0) return ret;
  if (c.nr == __NR_semctl)
    return c.args[2] == kLastOperator && ret > 0 ? virtual_id(c.t, static_cast<int32_t>(ret)) : ret;
  if (c.nr == __NR_shmctl && c.args[1] == kRemove && c.exec[0] != c.args[0])
    sys(__NR_shmctl, c.args[0], kRemove, 0);
  if (c.args[1] != kStat) return ret;
  constexpr int kShmCreator = 20,
                kMsgSender = 24;  // shmid_ds: shm_cpid, shm_lpid; msqid_ds: msg_lspid, msg_lrpid
  auto* id =
      reinterpret_cast<int32_t*>(c.args[2]) + (c.nr == __NR_shmctl ? kShmCreator : kMsgSender);
  for (int i : {0, 1})
    if (id[i] > 0) id[i] = virtual_id(c.t, id[i]);
  return ret;
}

}  // namespace mx::agent
