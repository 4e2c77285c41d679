#include "shim/agent/trap.h"

#include "shim/agent/call.h"
#include "shim/agent/clock.h"
#include "shim/agent/frame.h"
#include "shim/agent/locks.h"
#include "shim/agent/memory.h"
#include "shim/agent/patch.h"
#include "shim/agent/signals.h"
#include "shim/agent/vdso.h"

using namespace mx::agent;

namespace {
constexpr int kSysSeccomp = 1;
constexpr uint32_t kArchX86_64 = 0xc000003e;

void trapped_call(Thread* t, uint64_t nr, Ucontext* uc) {
  Regs r;
  regs_from(uc, &r);
  r.nr = r.rax = nr;
  // a `syscall` leaves rip there: where that still stands the call is yet to be served, see
  // swallowed()
  r.rcx = 0;
  if (vdso_fell_back(t, &r)) {
    uc->mc.rax = r.rax;
    return;
  }
  t->trap = uc;
  patch_site(t, &r);  // next time without a trap; r.rip may now be in the trampoline
  t->proc->shared->trapped[static_cast<int>(t->proc->version)].fetch_add(1,
                                                                         std::memory_order_relaxed);
  dispatch(t, &r);
  t->trap = nullptr;
  regs_to(&r, uc);
  uc->sigmask = kernel_mask(t);
}

// A kick is a SIGSYS too. While one is pending the kernel drops the SIGSYS of a trap: the program
// stands behind a `syscall` that has done nothing, with the number of the call in rax as before.
bool swallowed(const Ucontext* uc) {
  constexpr uint16_t kSyscall = 0x050f;
  uint64_t rip = uc->mc.rip;
  uint16_t before = 0;
  if (uc->mc.rcx != rip || (rip >= mx::stream::kAgentBase && rip < mx::stream::kCodeEnd))
    return false;
  return copy_guarded(&before, reinterpret_cast<void*>(rip - 2), sizeof before) &&
         before == kSyscall;
}
}  // namespace

extern "C" void on_kernel_signal(int sig, Siginfo* info, Ucontext* uc) {
  if (sig == kSigsys && info->code == kSysSeccomp) {
    if (info->sys.arch == kArchX86_64)
      trapped_call(this_thread(), static_cast<uint64_t>(info->sys.syscall), uc);
    else  // int 0x80: no table for those
      uc->mc.rax = static_cast<uint64_t>(kEnosys);
    return;
  }
  if (sig == kSigsys && swallowed(uc)) trapped_call(this_thread(), uc->mc.rax, uc);
  on_signal(sig, info, uc);
}

extern "C" void mx_fast_call(Thread* t, Regs* r) {
  if (is_lock_step(r))
    lock_step(t, r);
  else if (!serve_clock(t, r))
    dispatch(t, r);
}
