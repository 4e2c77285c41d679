#include "shim/agent/call.h"

#include "shim/agent/align.h"
#include "shim/agent/baton.h"
#include "shim/agent/borrowed.h"
#include "shim/agent/checkpoint.h"
#include "shim/agent/compared.h"
#include "shim/agent/doubt.h"
#include "shim/agent/failover.h"
#include "shim/agent/fds.h"
#include "shim/agent/files.h"
#include "shim/agent/flight.h"
#include "shim/agent/form.h"
#include "shim/agent/keeper.h"
#include "shim/agent/locks.h"
#include "shim/agent/looks.h"
#include "shim/agent/marshal.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/own_ids.h"
#include "shim/agent/own_words.h"
#include "shim/agent/polls.h"
#include "shim/agent/remainder.h"
#include "shim/agent/repeats.h"
#include "shim/agent/report.h"
#include "shim/agent/rest.h"
#include "shim/agent/settle.h"
#include "shim/agent/shared_locks.h"
#include "shim/agent/signals.h"
#include "shim/agent/waits.h"

extern "C" long mx_blocking(long nr, const uint64_t args[6]);

namespace mx::agent {

using sys::Treatment;

namespace {

bool full_lockstep() { return control()->settings.full_lockstep; }

// It brings something in, or says what shall be brought in: nobody outside sees anything of it.
bool lets_nothing_out(const Call& c) {
  return harmless(*c.d) || own_affair(c.nr, c.args[1]) || begins_work(c.d->nr) ||
         c.nr == __NR_epoll_ctl || looks_only(c) || signals_thread(c.t, c.nr, c.args[0], c.args[1]);
}

// Digest and sample of what the program hands to the kernel. Pointers may be bad (the kernel
// reports what it has written before it came to the bad part): then there is nothing to compare.
void describe_inputs(const Call& c, uint64_t& sum, Compared& f) {
  bool good = guarded([&] {
    sum = digest_inputs(c);
    f.sample_size = sample_inputs(c, f.sample, Compared::kSample);
  });
  if (!good) sum = f.sample_size = 0;
}

struct PackedEvent {
  EventHeader h;
  uint8_t packed[kMostPacked];
};

void set_activity(Thread* t, Activity a, long nr) {
  t->lane->call.store(nr, std::memory_order_relaxed);
  t->lane->activity.store(static_cast<uint32_t>(a), std::memory_order_release);
}

}  // namespace

// Others never answer EINTR, and a program may end of it (Go does when FUTEX_WAKE fails).
static bool waits_for_futex(uint64_t op) {
  constexpr uint64_t kLockPi = 6, kWaitRequeuePi = 11, kLockPi2 = 13;
  op &= kFutexCommand;
  return op == kFutexWait || op == kLockPi || op == kFutexWaitBitset || op == kWaitRequeuePi ||
         op == kLockPi2;
}

bool may_block(const Call& c) {
  if (!sys::has(*c.d, sys::attr::kBlocking)) return false;
  if (c.d->nr == __NR_futex && !waits_for_futex(c.args[1])) return false;
  if (c.d->nr == __NR_fcntl || c.d->nr == __NR_flock) return waits_for_lock(c);
  if (c.d->fd_arg < 0) return true;
  return !never_blocks(c.t, static_cast<int>(c.args[c.d->fd_arg]));
}

long execute(Call& c) { return enter_kernel(c, c.nr, c.exec); }

namespace {
long wait_in_kernel(Call& c, long nr, const uint64_t args[6], bool whole, const uint64_t* now,
                    uint64_t (&rest)[6]);
}

long enter_kernel(Call& c, long nr, const uint64_t args[6]) {
  Thread* t = c.t;
  const bool whole = nr == static_cast<long>(c.nr) &&
                     divisible(nr);  // if not, the caller leaves out what has gone
  uint64_t rest[6];
  const uint64_t* now = args;
  if (whole && c.done) {
    if (!leave_out(c, nr, args, rest)) return static_cast<long>(c.done);
    now = rest;
  }
  if (!may_block(c) || c.keeps_baton) {
    long ret;
    // Some may wait after all (open(2) of a fifo): a kick is nothing that the program should see.
    do {
      t->kicked = 0;
      ret = raw6(nr, now[0], now[1], now[2], now[3], now[4], now[5]);
    } while (ret == kEintr && t->kicked && !t->pending);
    count_moved(t, nr, ret);
    return whole ? with_done(c, ret) : ret;
  }
  c.ran_apart = is_serial(t) && t->role == Role::kLeader;
  pass_baton(t);
  return wait_in_kernel(c, nr, args, whole, now, rest);
}

namespace {

long wait_in_kernel(Call& c, long nr, const uint64_t args[6], bool whole, const uint64_t* now,
                    uint64_t (&rest)[6]) {
  Thread* t = c.t;
  for (;;) {
    if (t->role == Role::kLeader) lane_flush(t);
    t->kicked = 0;
    if (t->role == Role::kLeader) keep_if_wanted(t);
    if (t->role == Role::kFollower) {
      lead_if_due(t);
      if (interrupted_as_leader(t)) return kEintr;
    }
    const bool alone = nr == __NR_futex && t->role == Role::kFollower && t->lane;
    if (alone) t->lane->waits_alone.store(1);
    long ret = c.may_rest ? block_at_rest(t, nr, now) : mx_blocking(nr, now);
    if (alone) t->lane->waits_alone.store(0);
    c.kept_out = ret == kKeptOut;
    if (c.kept_out) ret = kEintr;
    if (ret == kFollowsNow) return ret;
    count_moved(t, nr, ret);
    if (whole && ret > 0 && goes_on(c, ret) && leave_out(c, nr, args, rest)) {
      now = rest;
      park_if_failing(t);
      continue;
    }
    if (ret != kEintr || t->pending || !t->kicked) return whole ? with_done(c, ret) : ret;
    park_if_failing(t);  // kicked: either to park, or for nothing
  }
}

}  // namespace

void publish_plain(Thread* t, EventKind kind, uint8_t flags, uint16_t nr, int64_t result,
                   const void* payload, uint32_t size) {
  if (t->role != Role::kLeader) return;
  EventHeader h{size, nr, kind, flags, result, 0, 0};
  if (kind != EventKind::kThreadExit) take_order(t, h);  // nobody has to wait for that
  if (!lane_begin(t, sizeof h + stream::padded(size))) return;
  if (lane_put(t, &h, sizeof h) && lane_put(t, payload, size) && lane_pad(t, size)) lane_commit(t);
}

namespace {
void announce(Call& c);

// Another thread may have read what this call writes, and its event may be there, before this
// one's. So the place in the order is from before; but nobody may be kept waiting for a call that
// waits, so that publishes an event which has the place, and its end has none: a reader may wait
// for that (own_words.h).
void come_before_others(Call& c) {
  Thread* t = c.t;
  const Process* p = t->proc->shared;
  if (!sys::has(*c.d, sys::attr::kTells) || p->threads.load(std::memory_order_relaxed) <= 1) return;
  c.keeps_baton = is_serial(t) && may_block(c) && has_room_to_write(c);
  c.began = may_block(c) && !c.keeps_baton;
  if (c.began)
    publish_plain(t, EventKind::kBegun, 0, static_cast<uint16_t>(c.nr), 0, nullptr, 0);
  else if (c.d->fd_arg < 0 || !is_regular(t, static_cast<int>(c.args[c.d->fd_arg])))
    take_ticket(t);  // (a disk may take its time, too)
}
}  // namespace

void leader_begin(Call& c) {
  Thread* t = c.t;
  c.began = 0;
  take_baton(t, false);  // (it has it, but for one that has taken over)
  inject_fault(t);
  set_activity(t, Activity::kEventCall, c.nr);
  if (!follower_gone(t)) {
    if (full_lockstep() && !lets_nothing_out(c) && !recovers(t->proc->shared))
      announce(c);
    else
      come_before_others(c);
  }
  begin_flight(c);
}

namespace {

// Full lockstep: tells what is about to be done, and waits until the follower agrees.
void announce(Call& c) {
  Thread* t = c.t;
  PackedEvent e;
  e.h = {};
  Compared f;
  fill_values(c, f);
  describe_inputs(c, e.h.digest, f);
  e.h.kind = EventKind::kIntent;
  e.h.nr = static_cast<uint16_t>(c.nr);
  e.h.size = pack(*c.d, f, e.packed);
  take_order(t, e.h);
  if (!lane_begin(t, sizeof(EventHeader) + e.h.size)) return;
  if (!lane_put(t, &e, sizeof(EventHeader) + e.h.size)) return;
  lane_commit(t);
  wait_for_agreement(t);
}

}  // namespace

namespace {

Travel plan_out(const Call& c, int i) {
  const uint64_t n = out_size(c, i);
  if (c.d->args[i].kind == sys::ArgKind::kOut)
    return plan_travel(c.t, reinterpret_cast<void*>(c.args[i]), n);
  return {static_cast<uint32_t>(n), 0, false};
}

bool publish_out(Call& c, int i, const Travel& how) {
  Thread* t = c.t;
  const uint64_t word = word_of(how), n = on_lane(how);
  if (!lane_put(t, &word, 8)) return false;
  if (!n) return true;
  // (What is kept is put from where it is kept: another thread may write to the program's buffer.)
  return (how.slot ? lane_put(t, slot_bytes(t, how), n) : put_out(c, i, n)) && lane_pad(t, n);
}

// Follower. False: the leader died before its event was complete.
bool take_out(Call& c, int i, const Travel& how) {
  Thread* t = c.t;
  const uint64_t n = how.size;
  if (!how.slot) return !n || (get_out(c, i, n) && lane_skip(t, stream::padded(n) - n));
  if (!how.same) {
    uint8_t* slot = slot_to_fill(t, how);
    if (!slot) leave_as_follower(t, "a result cannot be kept");
    if (!lane_get(t, slot, n) || !lane_skip(t, stream::padded(n) - n)) return false;
    slot_filled(t, how);
  }
  const uint8_t* bytes = slot_bytes(t, how);
  if (!bytes) leave_as_follower(t, "a result that comes again is not there");
  put_in_place(c, i, bytes, n);
  return true;
}

}  // namespace

void publish(Call& c, EventKind kind, uint8_t flags) {
  Thread* t = c.t;
  if (follower_gone(t)) return;
  PackedEvent e;
  Compared f;
  fill_values(c, f);
  e.h.digest = 0;
  if (c.d->in_mask && c.ret != kEfault && inputs_were_read(c, c.ret))
    describe_inputs(c, e.h.digest, f);
  const uint32_t packed = pack(*c.d, f, e.packed);
  Travel out[6];
  uint64_t total = packed;
  for (int i = 0; i < c.d->nargs; i++) {
    if (!(c.d->out_mask >> i & 1)) continue;
    out[i] = plan_out(c, i);
    total += 8 + stream::padded(on_lane(out[i]));
  }
  uint64_t blob = c.ret >= 0 ? c.blob_size : 0;
  if (c.blob_size) total += 8 + stream::padded(blob);
  e.h.size = static_cast<uint32_t>(total);
  e.h.nr = static_cast<uint16_t>(c.nr);
  e.h.kind = kind;
  if (c.ret > 0 && c.d->in_mask && c.ret == handed_over(c)) flags |= stream::kWhole;
  if (c.d->fd_arg >= 0 && c.nr != __NR_close &&
      is_regular(t, static_cast<int>(c.args[c.d->fd_arg])))
    flags |= stream::kRegular;
  e.h.flags = flags | (announce_signals(t) ? stream::kSignalFollows : 0);
  e.h.result = c.ret;
  if (!c.began && !c.ran_apart) take_order(t, e.h);
  if (!lane_begin(t, sizeof(EventHeader) + total)) return;
  if (!lane_put(t, &e, sizeof(EventHeader) + packed)) return;
  for (int i = 0; i < c.d->nargs; i++) {
    if (!(c.d->out_mask >> i & 1)) continue;
    if (!publish_out(c, i, out[i])) return;
  }
  if (c.blob_size) {
    if (!lane_put(t, &blob, 8)) return;
    if (blob && (!lane_put(t, reinterpret_cast<void*>(c.blob), blob) || !lane_pad(t, blob))) return;
  }
  lane_commit(t);
  for (int i = 0; i < c.d->nargs; i++)
    if (c.d->out_mask >> i & 1) slot_filled(t, out[i]);
  set_activity(t, Activity::kUser, c.nr);
}

// Follower: compares what it was about to do with what the leader did.
void compare(Call& c, const EventHeader& h, const Compared& f) {
  for (int i = polls_child(c) ? 1 : 0; i < c.d->nargs; i++) {
    if (sys::compared_value(*c.d, i, c.args) != f.values[i]) {
      report_argument_divergence(c, i, f.values[i]);
      return;
    }
  }
  if (c.names_new) return;
  if (!h.digest) return;
  uint64_t sum = h.digest;
  if (!guarded([&] { sum = digest_inputs(c); }) || sum == h.digest) return;
  uint8_t mine[Compared::kSample];
  uint32_t n = sample_inputs(c, mine, Compared::kSample);
  const bool whole = n == f.sample_size && n < Compared::kSample;
  if (whole) note_own_words(c, f.sample, mine, n);
  if (!whole || !talks_to_itself(c)) report_bytes_divergence(c, f.sample, f.sample_size, mine, n);
}

namespace {
bool get_compared(Thread* t, long nr, Compared& f) {
  const uint32_t size = peek_compared(t, 0, nr, f);
  return size && lane_skip(t, size);
}
}  // namespace

// An intent has been peeked at: compare, agree, and leave the cursor at what follows.
void follower_agree(Call& c, const EventHeader& h) {
  Compared f;
  lane_skip(c.t, sizeof(EventHeader));
  if (!get_compared(c.t, h.nr, f)) return;
  compare(c, h, f);
  c.t->lane->acked.store(c.t->pos);
  c.t->intents = 1;  // agreed: the call's own event need not be compared again
  pass_turn(c.t, h);
  lane_release(c.t);
  wake_producer(c.t);
}

void follower_take(Call& c, const EventHeader& h) {
  Thread* t = c.t;
  lane_skip(t, sizeof(EventHeader));
  Compared f;
  uint64_t end = t->pos + stream::padded(h.size);
  if (!get_compared(t, h.nr, f)) return;
  c.ret = h.result;
  if (!t->intents) compare(c, h, f);
  // Other bytes, and more or fewer of them: each version hears that all of its own are written.
  if (h.flags & stream::kWhole) {
    int64_t own = -1;
    if (guarded([&] { own = handed_over(c); }) && own >= 0) c.ret = own;
  }
  t->intents = 0;
  t->saw_call = waits_for_work(h) ? kSawWait : takes_input(h) ? kSawInput : kSawCall;
  for (int i = 0; i < c.d->nargs && t->pos < end; i++) {
    if (!(c.d->out_mask >> i & 1)) continue;
    uint64_t word;
    if (!lane_get(t, &word, 8)) return;
    const Travel how = travel_of(word);
    if (on_lane(how) > end - t->pos) break;  // a damaged lane must not lead us astray
    if (!take_out(c, i, how)) return;
  }
  if (c.blob_size && t->pos < end) {
    uint64_t n;
    if (!lane_get(t, &n, 8)) return;
    if (n > c.blob_size) n = c.blob_size;
    if (n > end - t->pos) n = end - t->pos;
    if (!lane_get(t, reinterpret_cast<void*>(c.blob), n)) return;
    c.blob_size = n;
  }
  if (t->pos < end) lane_skip(t, end - t->pos);
  c.consumed = true;
  if (c.time_at) give_time_back(c);
  if (const Hooks* hooks = hooks_of(h.nr); hooks && hooks->in_turn) hooks->in_turn(c);
  end_own_words(c);
  t->localises.store(1);
  finish_event(t, h);
}

void finish_event(Thread* t, const EventHeader& h) {
  t->events++;
  t->lane->follower_events = t->events;
  t->signal_follows = (h.flags & stream::kSignalFollows) != 0;
  pass_shared_turn(t, h);
  if (is_serial(t) && (h.flags & stream::kOrdered))
    owe_turn(t, h.order);
  else
    pass_turn(t, h);
  lane_release(t);
}

long run_local(Call& c) {
  long ret;
  // (No event would tell the follower that others have run meanwhile.)
  c.keeps_baton = c.t->role == Role::kLeader && is_serial(c.t) && c.nr != __NR_futex;
  c.may_rest = true;
  while ((ret = execute(c)) == kFollowsNow)
    if (c.nr == __NR_futex && leaves_condition(c.t, c.args[0], c.args[1])) return kEtimedout;
  if (ret == kEintr && c.t->pending && !c.t->regs_redirected) return ret;
  return ret;
}

namespace {

// A call that the leader has not made.
long on_own(Call& c) {
  if (c.nr == __NR_rt_sigprocmask) {
    localise_sigprocmask(c);
    return 0;
  }
  if (is_wait(c.nr)) return nothing_came(c);
  if (c.nr == __NR_write) return static_cast<long>(c.args[2]);  // wakes_itself()
  if (c.d->ret == sys::RetKind::kFd) return open_alone(c);
  if (c.nr == __NR_tgkill) return 0;  // for a thread that the leader's found at its end
  if (c.nr == __NR_wait4) return 0;   // a poll of a child, of which nothing is known yet
  // The number may not exist here.
  const auto fd = static_cast<int>(c.args[0]);
  if (c.nr == __NR_fcntl && fd_known_open(c.t, fd))
    return c.args[1] == 1 /*F_GETFD*/ && (fd_bits(c.t, fd) & kFdCloexec);
  const long ret = execute_plain(c);
  if (ret != kEbadf || c.d->fd_arg != 0 || c.t->replays || !fd_known_open(c.t, fd)) return ret;
  const BorrowsNumber borrows(c.t);
  const int leaders = fetch_descriptor(c.t, fd);  // (if it still has it)
  if (is_error(leaders)) return ret;
  const long answer = raw6(c.nr, static_cast<uint64_t>(leaders), c.exec[1], c.exec[2], c.exec[3],
                           c.exec[4], c.exec[5]);
  sys(__NR_close, leaders);
  return answer;
}

// False: this version leads now, and has to execute the call.
bool follow_event(Call& c) {
  EventHeader h;
  switch (follower_match(c, h)) {
    case Match::kMatched: {
      follower_take(c, h);
      if (!(h.flags & stream::kOrdered)) await_baton(c);
      const Hooks* hooks = hooks_of(c.nr);
      if (hooks && hooks->localise && !hooks->in_turn) hooks->localise(c);
      return true;
    }
    case Match::kRedirected:
      c.ret = c.r->rax;
      return true;
    case Match::kOnOwn:
      c.on_own = true;
      c.ret = on_own(c);
      return true;
    case Match::kTakeover:
      return false;
  }
  return false;
}

// In a copy of the process, which follows: the call is yet to come.
void begin_anew(Call& c) {
  c.done = 0;
  for (int i = 0; i < 6; i++) c.exec[i] = c.args[i];
}

long perform(Call& c, const Hooks* hooks) {
  bool leads = c.t->role == Role::kLeader;
  if (leads) leader_begin(c);
  if (hooks && hooks->prepare) hooks->prepare(c);
  c.may_rest = true;
  return hooks && hooks->perform ? hooks->perform(c) : leads ? execute_staged(c) : execute(c);
}

}  // namespace

long run_event(Call& c) {
  Thread* t = c.t;
  const Hooks* hooks = hooks_of(c.nr);
  if (hooks && hooks->measure) hooks->measure(c);
  bool settled = false;
  do {
    if (t->role == Role::kFollower && follow_event(c)) return c.ret;
    settled = t->inherits && settle(c);
    hooks = hooks_of(c.nr);  // it may have taken another form
    if (settled && hooks && hooks->in_turn) hooks->in_turn(c);
    if (settled) break;
    c.ret = share_baton(t) ? kFollowsNow : perform(c, hooks);
    if (c.ret == kFollowsNow) begin_anew(c);
  } while (c.ret == kFollowsNow);
  if (!settled) end_flight(t, c.ret);
  if (!settled && c.ret == kEintr && restart_after_signal(c)) return c.r->rax;
  if (!c.ran_apart) take_baton(t, false);  // (who has settled a call has taken over)
  if (t->role == Role::kLeader) publish(c, EventKind::kCall, 0);
  if (c.ran_apart) run_again(c);
  if (hooks && hooks->localise) hooks->localise(c);
  return c.ret;
}

long execute_plain(const Call& c) {
  return raw6(c.nr, c.exec[0], c.exec[1], c.exec[2], c.exec[3], c.exec[4], c.exec[5]);
}

namespace {

// By the time a follower comes to it there may be a folder where its leader found none; and where
// there was one the leader waits, for its next calls may remove it.
long follow_both(Call& c) {
  Thread* t = c.t;
  EventHeader h;
  long own;
  switch (follower_match(c, h)) {
    case Match::kMatched:
      own =
          c.d->path_arg >= 0 && is_error(h.result) ? static_cast<long>(h.result) : execute_plain(c);
      follower_take(c, h);
      if (is_error(own) != is_error(c.ret)) report_result_divergence(c, own);
      return c.ret;
    case Match::kRedirected:
      return c.r->rax;
    default:
      c.ret = execute_plain(c);
      if (t->role == Role::kLeader) publish(c, EventKind::kCall, 0);
      return c.ret;
  }
}

}  // namespace

long run_both(Call& c) {
  Thread* t = c.t;
  name_own_ids(c);
  if (t->role == Role::kFollower) return follow_both(c);
  if (t->role == Role::kLeader) leader_begin(c);
  c.ret = execute(c);
  end_flight(t, c.ret);
  if (t->role == Role::kLeader) publish(c, EventKind::kCall, 0);
  // A folder may be renamed or removed by the leader's next calls: wait until both are in it.
  if (t->role == Role::kLeader && c.d->path_arg >= 0 && c.ret == 0) lane_rendezvous(t, false);
  return c.ret;
}

}  // namespace mx::agent
