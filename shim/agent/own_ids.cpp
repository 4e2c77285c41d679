#include "shim/agent/own_ids.h"

#include "shim/agent/children.h"
#include "shim/agent/flight.h"
#include "shim/agent/pair.h"

namespace mx::agent {

namespace {

// The argument that names a process or a thread; -1: none.
int named(const Call& c) {
  constexpr uint64_t kPrioProcess = 0, kIoprioWhoProcess = 1;
  switch (c.nr) {
    case __NR_getpgid:
    case __NR_getsid:
    case __NR_sched_getparam:
    case __NR_sched_setparam:
    case __NR_sched_getscheduler:
    case __NR_sched_setscheduler:
    case __NR_sched_getaffinity:
    case __NR_sched_setaffinity:
    case __NR_sched_getattr:
    case __NR_sched_setattr:
    case __NR_sched_rr_get_interval:
      return 0;
    case __NR_getpriority:
    case __NR_setpriority:
      return c.args[0] == kPrioProcess ? 1 : -1;
    case __NR_ioprio_get:
    case __NR_ioprio_set:
      return c.args[0] == kIoprioWhoProcess ? 1 : -1;
    default:
      return -1;
  }
}

}  // namespace

uint64_t own_thread(Thread* t, int64_t tid) {
  if (tid == t->vtid) return t->tid;
  const Lane* l = lane_of(t->proc->shared, tid);
  return l ? l->real_tid[index_of(t->proc->version)] : tid;
}

void name_own_ids(Call& c) {
  Thread* t = c.t;
  if (t->role != Role::kFollower && !t->proc->promoted) return;
  const int arg = named(c);
  if (arg < 0) return;
  const auto id = static_cast<int32_t>(c.args[arg]);
  if (id <= 0) return;
  const auto thread = static_cast<int32_t>(own_thread(t, id));
  const int32_t own = thread > 0 && thread != id ? thread : own_id(t, id);
  c.exec[arg] = static_cast<uint64_t>(int64_t{own});
}

long perform_getsockopt(Call& c) {
  constexpr uint64_t kSocketLevel = 1, kPeerCredentials = 17;
  const long ret = execute_by_role(c);
  if (ret != 0 || c.args[1] != kSocketLevel || c.args[2] != kPeerCredentials) return ret;
  auto* peer = reinterpret_cast<int32_t*>(c.args[3]);
  if (*reinterpret_cast<uint32_t*>(c.args[4]) >= sizeof *peer && *peer > 0)
    *peer = virtual_id(c.t, *peer);
  return ret;
}

}  // namespace mx::agent
