#include "shim/agent/fault.h"

#include "shim/agent/align.h"
#include "shim/agent/astray.h"
#include "shim/agent/bulk.h"
#include "shim/agent/checkpoint.h"
#include "shim/agent/failover.h"
#include "shim/agent/frame.h"
#include "shim/agent/lane.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/patch.h"
#include "shim/agent/report.h"
#include "shim/agent/signals.h"

extern "C" char mx_try_failed[];

namespace mx::agent {

namespace {

bool in_agent(uint64_t a) { return a >= stream::kAgentBase && a < stream::kCodeEnd; }

struct FaultBody {
  uint64_t rip, address;
};

void report_own_crash(Thread* t, int sig, const FaultBody& b) {
  Message* m = new_message(t, MessageKind::kCrash);
  if (!m) return;
  m->number[0] = sig;
  m->number[1] = t->proc->real_pid;
  m->number[2] = static_cast<int64_t>(b.rip);
  m->number[3] = static_cast<int64_t>(b.address);
  m->number[4] = crash_lane(t);
  m->number[5] = t->role == Role::kFollower;
  send(m);
}

// Leader: says that it faulted, and learns whether the follower did too.
Verdict leader_verdict(Thread* t, int sig, const FaultBody& b) {
  t->lane->verdict.store(0);
  EventHeader h{0,        static_cast<uint16_t>(sig),  EventKind::kFault,
                0,        static_cast<int64_t>(b.rip), 0,
                b.address};
  take_order(t, h);
  if (!lane_begin(t, sizeof h) || !lane_put(t, &h, sizeof h)) return Verdict::kFollowerDropped;
  lane_commit(t);
  return lane_rendezvous(t, true);
}

// Follower: true if the leader faulted with the same signal at this point.
bool leader_agrees(Thread* t, int sig, bool& takeover) {
  for (;;) {
    EventHeader h;
    bool in_call = false;
    switch (lane_wait_or_call(t, sizeof h, in_call)) {
      case Wait::kDropped:
        end_follower(t);
      case Wait::kLeaderGone:
        take_over(t);
        takeover = true;
        return false;
      case Wait::kReady:
        break;
    }
    if (in_call) return false;
    lane_peek(t, 0, &h, sizeof h);
    await_turn(t, h);
    if (passing(h)) {
      skip_event(t, h);
      continue;
    }
    if (h.kind != EventKind::kFault || h.nr != sig) return false;
    lane_skip(t, sizeof h);
    finish_event(t, h);
    t->lane->verdict.store(static_cast<uint32_t>(Verdict::kAgreed));
    wake_producer(t);
    return true;
  }
}

bool comes_back_from(Thread* t, uint64_t position) {
  return is_astray(t) ? recovers(t->proc->shared) : recover_crashed_follower(t, position);
}

// Returns if the fault is the program's own behaviour; does not return if this version crashed.
void judge(Thread* t, int sig, const FaultBody& b) {
  if (t->role == Role::kLeader && !follower_gone(t)) {
    switch (leader_verdict(t, sig, b)) {
      case Verdict::kLeaderFailed:
        stop_failed(t);
      default:
        return;
    }
  }
  if (t->role != Role::kFollower) return;
  bool takeover = false;
  // The search for the leader's next step goes beyond.
  const uint64_t position = is_astray(t) ? t->proc->stray_position : t->pos;
  if (!is_astray(t) && (leader_agrees(t, sig, takeover) || takeover)) return;
  if (is_last_one(t)) {
    report_own_crash(t, sig, b);
    die_of(t, sig);
  }
  const bool comes_back = comes_back_from(t, position);  // before the monitor hears of it
  report_own_crash(t, sig, b);
  leave_as_crashed_follower(t, comes_back);
}

// The agent itself touched bad memory on behalf of the program: a crash at this call, judged as one
// of the program. The event that was being written is void.
[[noreturn]] void fault_in_agent(Thread* t, int sig, Siginfo* info) {
  if (t->building_frame) die_of(t, 11);  // no room for a signal frame: the kernel kills for that
  FaultBody b{original(t->regs->rip), info->fault.addr};
  save_registers(t, *t->regs);
  if (t->role == Role::kLeader) lane_rewind(t);
  if (t->role == Role::kSolo) report_own_crash(t, sig, b);
  judge(t, sig, b);
  die_of(t, sig);
}

}  // namespace

void on_fault(Thread* t, int sig, Siginfo* info, Ucontext* uc) {
  if (in_agent(uc->mc.rip)) {
    restore_vectors(t, uc);
    if (t->guard) {
      uc->mc.rsp = t->guard;
      uc->mc.rip = reinterpret_cast<uint64_t>(mx_try_failed);
      return;
    }
    if (t->regs) fault_in_agent(t, sig, info);
  }
  FaultBody b{uc->mc.rip, info->fault.addr};
  Regs r;
  regs_from(uc, &r);
  save_registers(t, r);
  judge(t, sig, b);
  t->trap = uc;
  deliver_fault(t, &r, *info, uc);
  t->trap = nullptr;
  t->regs_redirected = 0;
  regs_to(&r, uc);
}

void exited_wrongly(Thread* t, uint64_t position, int status) {
  const bool comes_back = comes_back_from(t, position);
  if (comes_back) save_registers(t, *t->regs);
  Message* m = new_message(t, MessageKind::kCrash);
  if (m) {
    m->number[1] = t->proc->real_pid;
    m->number[2] = status;
    m->number[4] = crash_lane(t);
    m->number[5] = comes_back;
    send(m);
  }
  if (!comes_back) leave_as_follower(t, "exited wrongly");
  leave_as_crashed_follower(t, true);
}

void judge_abort(Thread* t, int sig) {
  save_registers(t, *t->regs);
  judge(t, sig, {original(t->regs->rip), 0});
}

}  // namespace mx::agent
