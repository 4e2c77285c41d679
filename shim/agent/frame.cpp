#include "shim/agent/frame.h"

#include "shim/agent/memory.h"
#include "shim/agent/patch.h"
#include "shim/agent/signals.h"

extern "C" {
void mx_sigreturn(mx::agent::Ucontext* frame);
void mx_user_restorer();
}

namespace mx::agent {

namespace {

struct SigFrame {
  uint64_t restorer;
  Ucontext uc;
  Siginfo info;
};

constexpr uint32_t kFpMagic = 0x46505853;

uint32_t fp_size(uint64_t fpstate) {
  auto* words = reinterpret_cast<const uint32_t*>(fpstate + 464);
  return words[0] == kFpMagic ? words[1] : 512;
}

bool on_alt_stack(const Thread* t, uint64_t sp) {
  return !(t->altstack.flags & 2) && sp - t->altstack.sp <= t->altstack.size && sp > t->altstack.sp;
}

uint64_t frame_top(const Thread* t, const Regs* r, const SignalAction& a) {
  if ((a.flags & kSaOnstack) && t->altstack.size && !(t->altstack.flags & 2) &&
      !on_alt_stack(t, r->rsp)) {
    return t->altstack.sp + t->altstack.size;
  }
  return r->rsp - 128;
}

void fill_context(Thread* t, const Regs* r, Ucontext* context, Ucontext& to, uint64_t fp) {
  memset(&to, 0, sizeof to);
  to.flags = 7;
  to.stack = t->altstack;
  if (t->altstack.size == 0) to.stack.flags = 2;
  if (on_alt_stack(t, r->rsp)) to.stack.flags |= 1;
  if (context && !t->fast_frame) {
    to.mc.err = context->mc.err;
    to.mc.trapno = context->mc.trapno;
    to.mc.cr2 = context->mc.cr2;
  }
  to.mc.cs = 0x33;
  to.mc.ss = 0x2b;
  regs_to(r, &to);
  to.mc.rip = original(r->rip);
  to.mc.fpstate = fp;
  to.mc.oldmask = to.sigmask = t->in_suspend ? t->suspend_mask : t->vmask;
}

void build(Thread* t, Regs* r, const Siginfo& info, Ucontext* context) {
  LocalProcess* p = t->proc;
  SignalAction& slot = p->actions[info.signo];
  SignalAction a = slot;
  uint64_t sp = frame_top(t, r, a);
  uint64_t fp = 0;
  t->building_frame = 1;
  if (context->mc.fpstate) {
    uint32_t n = fp_size(context->mc.fpstate);
    fp = (sp - n) & ~uint64_t{63};
    memcpy(reinterpret_cast<void*>(fp), reinterpret_cast<void*>(context->mc.fpstate), n);
    sp = fp;
  }
  sp = ((sp - sizeof(SigFrame)) & ~uint64_t{15}) - 8;
  auto* frame = reinterpret_cast<SigFrame*>(sp);
  frame->restorer =
      (a.flags & kSaRestorer) ? a.restorer : reinterpret_cast<uint64_t>(&mx_user_restorer);
  fill_context(t, r, context, frame->uc, fp);
  frame->info = info;
  t->building_frame = 0;
  r->rdi = info.signo;
  r->rsi = reinterpret_cast<uint64_t>(&frame->info);
  r->rdx = reinterpret_cast<uint64_t>(&frame->uc);
  r->rax = 0;
  r->rip = a.handler;
  r->rsp = sp;
  r->eflags = 0x202;
  t->vmask |= a.mask | ((a.flags & kSaNodefer) ? 0 : bit(info.signo));
  t->vmask &= ~kUnblockable;
  t->in_suspend = 0;
  t->regs_redirected = 1;
  if (a.flags & kSaResethand) slot.handler = kSigDfl;
}

}  // namespace

void enter_handler(Thread* t, Regs* r, const Siginfo& info, Ucontext* context) {
  if (context) {
    build(t, r, info, context);
    apply_mask(t, context);
    return;
  }
  t->frame_info = info;
  t->build_frame = 1;
  t->fast_frame = 1;
  t->frame_regs = r;
  sys(__NR_tgkill, t->proc->real_pid, t->tid, 31);
  t->fast_frame = 0;
  apply_mask(t, nullptr);
}

void build_frame_now(Thread* t, Ucontext* uc) {
  t->build_frame = 0;
  build(t, t->frame_regs, t->frame_info, uc);
}

void read_frame(Thread* t, const Regs* r) {
  auto* uc = reinterpret_cast<const Ucontext*>(r->rsp);
  t->vmask = uc->sigmask & ~kUnblockable;
  t->altstack = uc->stack;
  if (t->altstack.flags & 1) t->altstack.flags &= ~1;
}

void leave_handler(Thread* t, Regs* r, bool signals_follow) {
  auto* uc = reinterpret_cast<Ucontext*>(r->rsp);
  uc->sigmask = kernel_mask(t);
  uc->stack = agent_stack(t);
  uc->mc.rip = relocated(uc->mc.rip);
  t->regs = nullptr;
  t->trap = nullptr;
  if (signals_follow) {  // SIGSYS to oneself, which comes in when the kernel has restored
                         // everything
    uint64_t kick = bit(31);
    t->at_sigreturn = 1;
    sys(__NR_rt_sigprocmask, 0, &kick, nullptr, 8);
    sys(__NR_tgkill, t->proc->real_pid, t->tid, 31);
  } else if (t->pending && t->role != Role::kFollower) {
    arm_deferred(t);
  }
  mx_sigreturn(uc);
  __builtin_unreachable();
}

void regs_from(const Ucontext* uc, Regs* r) {
  const Mcontext& m = uc->mc;
  *r = {m.r15, m.r14, m.r13, m.r12, m.rbp, m.rbx, m.r11, m.r10,    m.r9, m.r8,
        m.rax, m.rcx, m.rdx, m.rsi, m.rdi, m.rax, m.rip, m.eflags, m.rsp};
}

void regs_to(const Regs* r, Ucontext* uc) {
  Mcontext& m = uc->mc;
  m.r15 = r->r15, m.r14 = r->r14, m.r13 = r->r13, m.r12 = r->r12, m.rbp = r->rbp, m.rbx = r->rbx;
  m.r11 = r->r11, m.r10 = r->r10, m.r9 = r->r9, m.r8 = r->r8, m.rax = r->rax, m.rcx = r->rcx;
  m.rdx = r->rdx, m.rsi = r->rsi, m.rdi = r->rdi, m.rip = r->rip, m.eflags = r->eflags;
  m.rsp = r->rsp;
}

}  // namespace mx::agent
