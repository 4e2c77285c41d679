#include "shim/agent/trap.h"

#include "shim/agent/call.h"
#include "shim/agent/clock.h"
#include "shim/agent/frame.h"
#include "shim/agent/locks.h"
#include "shim/agent/patch.h"
#include "shim/agent/signals.h"
#include "shim/agent/vdso.h"

using namespace mx::agent;

namespace {
constexpr int kSigsys = 31;
constexpr int kSysSeccomp = 1;
constexpr uint32_t kArchX86_64 = 0xc000003e;

void trapped_call(Thread* t, Siginfo* info, Ucontext* uc) {
  Regs r;
  regs_from(uc, &r);
  if (info->sys.arch != kArchX86_64) {  // int 0x80: no table for those
    uc->mc.rax = static_cast<uint64_t>(kEnosys);
    return;
  }
  r.nr = r.rax = static_cast<uint64_t>(info->sys.syscall);
  if (vdso_fell_back(t, &r)) {
    uc->mc.rax = r.rax;
    return;
  }
  t->trap = uc;
  patch_site(t, &r);  // next time without a trap; r.rip may now be in the trampoline
  t->proc->shared->trapped[static_cast<int>(t->proc->version)].fetch_add(1, std::memory_order_relaxed);
  dispatch(t, &r);
  t->trap = nullptr;
  regs_to(&r, uc);
  uc->sigmask = kernel_mask(t);
}
}  // namespace

extern "C" void on_kernel_signal(int sig, Siginfo* info, Ucontext* uc) {
  if (sig == kSigsys && info->code == kSysSeccomp) {
    trapped_call(this_thread(), info, uc);
    return;
  }
  on_signal(sig, info, uc);
}

extern "C" void mx_fast_call(Thread* t, Regs* r) {
  if (is_lock_step(r)) lock_step(t, r);
  else if (!serve_clock(t, r)) dispatch(t, r);
}
