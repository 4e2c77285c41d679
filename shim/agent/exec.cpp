// execve: the image is replaced, and with it the agent. The monitor is asked to attach first; it
// maps the agent into the new image before anything of it runs (monitor/inject).
#include "shim/agent/align.h"
#include "shim/agent/checkpoint.h"
#include "shim/agent/failover.h"
#include "shim/agent/fds.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/pair.h"
#include "shim/agent/processes.h"
#include "shim/agent/report.h"
#include "shim/agent/sent.h"
#include "shim/agent/signals.h"
#include "shim/agent/special.h"

namespace mx::agent {

namespace {

using stream::ExecState;

bool monitor_is_gone() { return sys(__NR_kill, control()->settings.monitor_pid, 0) == kEsrch; }

bool program_has_ended() {
  const Process& first = control()->processes[0];
  return !first.alive[0].load() && !first.alive[1].load();
}

// The monitor may have a lot to do, and no processor to do it. (A process in a name space of its
// own does not see it.)
bool attach_monitor(Thread* t) {
  constexpr int kLookMs = 100, kPatience = 100;
  Word& state = t->proc->shared->exec_state[static_cast<int>(t->proc->version)];
  state.store(static_cast<uint32_t>(ExecState::kRequested));
  Message* m = nullptr;
  for (int i = 0; !monitor_is_gone() || (i < kPatience && !program_has_ended()); i++) {
    if (!m && (m = new_message(t, MessageKind::kExecAttach))) {
      m->number[0] = t->tid;
      send(m);
    }
    const uint32_t s = state.load();
    if (s == static_cast<uint32_t>(ExecState::kAttached)) return true;
    if (s == static_cast<uint32_t>(ExecState::kRefused)) return false;
    futex_wait(&state, static_cast<uint32_t>(ExecState::kRequested), kLookMs);
  }
  return false;
}

void detach_monitor(Thread* t) {
  Word& state = t->proc->shared->exec_state[static_cast<int>(t->proc->version)];
  Message* m = new_message(t, MessageKind::kExecDone);
  if (m) m->number[0] = t->tid;
  send(m);
  for (int i = 0; i < 100 && state.load() != 0; i++)
    futex_wait(&state, static_cast<uint32_t>(ExecState::kAttached), 100);
}

// What the kernel would say without any trace of the call; 0: it would start the program.
long early_error(const Call& c, bool at) {
  if (!at) return sys(__NR_access, c.args[0], 1 /*X_OK*/);
  constexpr uint64_t kEmptyPath = 0x1000;
  if (c.args[4] & kEmptyPath) return 0;
  return sys(__NR_faccessat, c.args[0], c.args[1], 1);
}

// State that the new image's agent finds again.
void save_state(Thread* t) {
  Process* p = t->proc->shared;
  p->exec_vmask[static_cast<int>(t->proc->version)] = t->vmask;
  p->exec_sent[static_cast<int>(t->proc->version)] = sent_signals(t->proc);
  p->lane[static_cast<int>(t->proc->version)] = t->lane_index;
  p->event_count[static_cast<int>(t->proc->version)].fetch_add(t->events);
}

// From here to the first instruction of the new image's program no signal is taken: the kernel
// keeps what arrives, and what waits in this image's queue goes back to it. Pending signals survive
// execve. SIGSYS too: a kick would kill an image that has no agent yet.
void hold_signals(Thread* t) {
  uint64_t all = ~uint64_t{0};
  sys(__NR_rt_sigprocmask, 2, &all, nullptr, 8);
  for (uint32_t i = 0; i < t->pending; i++) {
    const Siginfo& info = t->queue[i].info;
    sys(__NR_rt_tgsigqueueinfo, t->proc->real_pid, t->tid, info.signo, &info);
  }
  t->pending = 0;
}

// From here on no other thread's fault ends the leader: either it is told before, or its thread
// goes with the image.
bool begins_image(Thread* t) {
  Word& failing = t->proc->shared->failing;
  uint32_t now = stream::kNotFailing;
  while (t->role == Role::kLeader && !failing.compare_exchange_strong(now, stream::kExecutes)) {
    if (now == stream::kIsFailing)
      return t->proc->shared->handover.load() != 0;  // (a planned change awaits the new image)
    if (now == stream::kIsDecided && !follower_alive(t))
      failing.compare_exchange_strong(now, stream::kNotFailing);
    else
      futex_wait(&failing, now, 1);
    now = stream::kNotFailing;
  }
  return true;
}

long replace_image(Call& c, bool at) {
  Thread* t = c.t;
  int path_arg = at ? 1 : 0;
  const auto& s = control()->settings;
  auto* path = reinterpret_cast<const char*>(c.args[path_arg]);
  if (s.canonical_program[0] && string_equal(path, s.canonical_program))
    c.exec[path_arg] = reinterpret_cast<uint64_t>(s.program[static_cast<int>(t->proc->version)]);
  hold_signals(t);
  long ret = kEagain;
  if (attach_monitor(t)) {
    save_state(t);
    if (t->role == Role::kFollower) restore_limits(t);
    ret = kKeptOut;
    if (begins_image(t)) {
      ret = raw6(c.nr, c.exec[0], c.exec[1], c.exec[2], c.exec[3], c.exec[4]);
      note_image_decided(t);
    }
    detach_monitor(t);
  }
  apply_mask(t, t->trap);
  return ret;
}

long try_to_replace(Call& c, bool at) {
  const long why_not = early_error(c, at);
  return why_not ? why_not : replace_image(c, at);
}

long follow_exec(Call& c, bool at) {
  Thread* t = c.t;
  for (;;) {
    EventHeader h;
    if (!next_event(t, h)) return try_to_replace(c, at);
    await_turn(t, h);
    if (h.kind == EventKind::kIntent && h.nr == c.nr) {
      follower_agree(c, h);
      continue;
    }
    if (h.kind != EventKind::kExec) {
      Match m = follower_match(c, h);
      if (m == Match::kRedirected) return c.r->rax;
      if (m == Match::kTakeover) return try_to_replace(c, at);
      follower_take(c, h);
      return c.ret;
    }
    stream::Image& image = image_of(t);
    if (h.size == sizeof image) lane_peek(t, sizeof h, &image, sizeof image);
    lane_skip(t, sizeof h + stream::padded(h.size));
    t->intents = 0;
    finish_event(t, h);
    if (!at || !fd_private(t, static_cast<int>(c.args[0]))) close_all_private(t);
    const long ret = replace_image(c, at);
    leave_as_follower(t, ret == kEagain
                             ? "the follower could not start the program: it was not attached to"
                             : "the follower could not start the program");
  }
}

long execve(Call& c, bool at) {
  Thread* t = c.t;
  forget_checkpoint(t);
  if (t->role == Role::kFollower) return follow_exec(c, at);
  if (t->role == Role::kLeader) leader_begin(c);
  while ((c.ret = try_to_replace(c, at)) == kKeptOut) park_if_failing(t);
  if (t->role == Role::kLeader) publish(c, EventKind::kCall, 0);
  return c.ret;
}

}  // namespace

void note_image_decided(const Thread* t) {
  Word& failing = t->proc->shared->failing;
  uint32_t now = stream::kExecutes;
  if (t->role == Role::kLeader && failing.compare_exchange_strong(now, stream::kNotFailing))
    futex_wake(&failing, 1 << 30);
}

long run_execve(Call& c) { return execve(c, false); }
long run_execveat(Call& c) { return execve(c, true); }

}  // namespace mx::agent
