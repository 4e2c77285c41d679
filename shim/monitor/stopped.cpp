#include "shim/monitor/stopped.h"

#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include <cstddef>
#include <set>

#include "shim/agent/state.h"
#include "shim/monitor/proc_stat.h"
#include "shim/stream/layout.h"

namespace mx::monitor {

namespace {

using agent::Regs;

bool in_mx(uint64_t a) { return a >= stream::kAgentBase && a < stream::kRangeEnd; }

bool copy_in(pid_t pid, uint64_t at, void* to, size_t size) {
  iovec local{to, size}, remote{reinterpret_cast<void*>(at), size};
  return process_vm_readv(pid, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size);
}

bool copy_out(pid_t pid, uint64_t at, const void* from, size_t size) {
  iovec local{const_cast<void*>(from), size}, remote{reinterpret_cast<void*>(at), size};
  return process_vm_writev(pid, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size);
}

recovery::Registers chosen(const user_regs_struct& r) {
  return {r.rip, r.rsp, r.rbp, r.rbx, r.r12, r.r13, r.r14, r.r15};
}
recovery::Registers chosen(const Regs& r) {
  return {r.rip, r.rsp, r.rbp, r.rbx, r.r12, r.r13, r.r14, r.r15};
}

template <typename R>
void put(R& to, const recovery::Registers& r) {
  to.rip = r.rip, to.rsp = r.rsp, to.rbp = r.rbp, to.rbx = r.rbx;
  to.r12 = r.r12, to.r13 = r.r13, to.r14 = r.r14, to.r15 = r.r15;
}

}  // namespace

Stopped::Stopped(pid_t pid) : pid_(pid) {
  // A thread may be made while we look: until all that are there are held.
  std::set<pid_t> held;
  for (bool more = true; more && good_;) {
    std::set<pid_t> fresh;
    for (pid_t tid : threads_of(pid))
      if (held.insert(tid).second) fresh.insert(tid);
    more = !fresh.empty();
    for (pid_t tid : fresh) good_ = good_ && interrupt(tid);
    for (pid_t tid : fresh) good_ = good_ && recovery::wait_for_stop(tid) && read_state(tid);
  }
  good_ = good_ && !held_.empty();
}

Stopped::~Stopped() {
  for (pid_t tid : held_) ptrace(PTRACE_DETACH, tid, 0, 0);
}

bool Stopped::interrupt(pid_t tid) {
  if (ptrace(PTRACE_SEIZE, tid, 0, 0) != 0) return false;
  held_.push_back(tid);
  return ptrace(PTRACE_INTERRUPT, tid, 0, 0) == 0;
}

bool Stopped::read_state(pid_t tid) {
  user_regs_struct now{};
  if (ptrace(PTRACE_GETREGS, tid, 0, &now) != 0) return false;
  recovery::ThreadState state{tid, chosen(now), false};
  Place place;
  uint64_t regs = 0;
  if (now.gs_base &&
      copy_in(pid_, now.gs_base + offsetof(agent::Thread, regs), &regs, sizeof regs) && regs) {
    Regs r{};
    if (!in_mx(regs) || !copy_in(pid_, regs, &r, sizeof r)) return false;
    state.registers = chosen(r);
    place.regs = regs;
  }
  threads_.push_back(state);
  places_.push_back(place);
  return true;
}

bool Stopped::write_back() {
  for (size_t i = 0; i < threads_.size(); i++) {
    const recovery::ThreadState& t = threads_[i];
    if (!t.changed) continue;
    if (const uint64_t at = places_[i].regs) {
      Regs r{};
      if (!copy_in(pid_, at, &r, sizeof r)) return false;
      put(r, t.registers);
      if (!copy_out(pid_, at, &r, sizeof r)) return false;
    } else {
      user_regs_struct r{};
      if (ptrace(PTRACE_GETREGS, t.tid, 0, &r) != 0) return false;
      put(r, t.registers);
      if (ptrace(PTRACE_SETREGS, t.tid, 0, &r) != 0) return false;
    }
  }
  return true;
}

}  // namespace mx::monitor
