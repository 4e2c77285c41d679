#include "shim/agent/align.h"

#include "shim/agent/astray.h"
#include "shim/agent/compared.h"
#include "shim/agent/damage.h"
#include "shim/agent/doubt.h"
#include "shim/agent/failover.h"
#include "shim/agent/fds.h"
#include "shim/agent/form.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/own_words.h"
#include "shim/agent/polls.h"
#include "shim/agent/query.h"
#include "shim/agent/report.h"
#include "shim/agent/shared_locks.h"
#include "shim/agent/signals.h"
#include "shim/agent/waits.h"
#include "shim/sites/lock_entries.h"

namespace mx::agent {

using sys::Treatment;

bool harmless(const sys::Desc& d) {
  if (d.treatment == Treatment::kQuery) return true;
  if (d.ret == sys::RetKind::kFd || sys::has(d, sys::attr::kModifies)) return false;
  if (d.treatment == Treatment::kFile) return true;
  // glibc's mkstemp asks for random bytes or not depending on a stack address.
  return d.nr == sys::kGetrandom || d.nr == sys::kFstat || d.nr == sys::kFstatfs ||
         d.nr == sys::kGetsockname || d.nr == sys::kGetpeername;
}

bool own_affair(uint64_t nr, uint64_t request) {
  constexpr uint32_t kTcgets = 0x5401, kWindowSize = 0x5413, kGetfd = 1, kSetfd = 2;
  const auto what = static_cast<uint32_t>(request);
  switch (nr) {
    case sys::kIoctl:
      return what == kTcgets || what == kWindowSize;
    case sys::kFcntl:
      return what == kGetfd || what == kSetfd;
    default:
      return nr == sys::kRtSigprocmask;
  }
}

bool signals_thread(const Thread* t, uint64_t nr, uint64_t process, uint64_t thread) {
  return nr == __NR_tgkill && t->proc->multi_threaded &&
         static_cast<int32_t>(process) == t->proc->vpid && static_cast<int32_t>(thread) != t->vtid;
}

bool passing(const EventHeader& h) {
  return h.kind == EventKind::kQuery || h.kind == EventKind::kPrivateOpen ||
         h.kind == EventKind::kLock || h.kind == EventKind::kRandom || h.kind == EventKind::kBegun;
}

bool may_skip(const EventHeader& h) {
  return passing(h) || (h.kind == EventKind::kCall && harmless(sys::describe(h.nr)));
}

namespace {
bool by_request(uint64_t nr) { return nr == sys::kIoctl || nr == sys::kFcntl; }

bool leader_signals_thread(Thread* t, uint64_t offset, const EventHeader& h) {
  Compared leader;
  return h.nr == __NR_tgkill && peek_compared(t, offset + sizeof h, h.nr, leader) &&
         signals_thread(t, h.nr, leader.values[0], leader.values[1]);
}

// The leader's call at `offset`, a wait4.
bool leader_polls_child(Thread* t, uint64_t offset, const EventHeader& h) {
  Compared leader;
  return peek_compared(t, offset + sizeof h, h.nr, leader) &&
         polls_child(h.nr, leader.values[0], leader.values[2]);
}

// The leader's call is this one's own affair there, see own_affair().
bool is_own_affair(Thread* t, uint64_t offset, const EventHeader& h) {
  if (is_leaders_wake(t, offset, h)) return true;
  if (h.kind != EventKind::kCall) return false;
  if (leader_signals_thread(t, offset, h)) return true;
  if (h.nr == __NR_wait4) return leader_polls_child(t, offset, h);
  if (!by_request(h.nr)) return own_affair(h.nr, 0);
  Compared leader;
  return peek_compared(t, offset + sizeof h, h.nr, leader) && own_affair(h.nr, leader.values[1]);
}

}  // namespace

bool is_leaders_wake(Thread* t, uint64_t offset, const EventHeader& h) {
  Compared leader;
  return h.nr == __NR_write && (h.kind == EventKind::kCall || h.kind == EventKind::kIntent) &&
         peek_compared(t, offset + sizeof h, h.nr, leader) &&
         wakes_itself(t, h.nr, leader.values[0], leader.values[2]);
}

bool may_pass(Thread* t, uint64_t offset, const EventHeader& h, OnTheWay& way) {
  return may_skip(h) || is_own_affair(t, offset, h) || is_empty_wait(h) ||
         is_leaders_look(t, offset, h, way);
}

bool may_pass(Thread* t, const EventHeader& h) {
  OnTheWay none = {};
  return may_pass(t, 0, h, none);
}

namespace {

constexpr int kLookAhead = 16;

// An event behind the next one. A look that the leader has not made yet (it would say what this one
// is) is waited for.
bool peek_event(Thread* t, uint64_t offset, bool waits, EventHeader& h) {
  t->limit = t->lane->head.load(std::memory_order_acquire);
  if (t->limit - t->pos < offset + sizeof h && !(waits && lane_more(t, offset + sizeof h)))
    return false;
  lane_peek(t, offset, &h, sizeof h);
  return true;
}

uint64_t event_extent(const EventHeader& h) { return sizeof h + stream::padded(h.size); }

// Number and descriptor (the first compared value of a kFd argument) must be the same.
bool same_call(Call& c, uint64_t offset, const EventHeader& h) {
  if (h.kind != EventKind::kCall && h.kind != EventKind::kIntent) return false;
  uint64_t time[2], other[6];
  const bool alike = h.nr == c.nr;
  if (!alike && !in_form(c, h.nr, time, other)) return false;
  const sys::Desc& d = alike ? *c.d : sys::describe(h.nr);
  const uint64_t* args = alike ? c.args : other;
  if (h.nr == __NR_wait4) return leader_polls_child(c.t, offset, h) == polls_child(c);
  if (d.fd_arg < 0) return true;
  Compared leader;
  if (!peek_compared(c.t, offset + sizeof h, h.nr, leader)) return false;
  if (leader.values[d.fd_arg] != sys::compared_value(d, d.fd_arg, args)) return false;
  return !by_request(h.nr) || leader.values[1] == sys::compared_value(d, 1, args) ||
         !(own_affair(h.nr, leader.values[1]) || own_affair(h.nr, args[1]));
}

// Of looks, also what is looked for.
bool fits(Call& c, const Look& look, uint64_t offset, const EventHeader& h) {
  return same_call(c, offset, h) &&
         (!look.is_one || h.nr != c.nr || !h.digest || h.digest == look.digest);
}

// The same, and the call takes the leader's form.
bool matches(Call& c, const Look& look, const EventHeader& h) {
  return fits(c, look, 0, h) && (h.nr == c.nr || take_form(c, h.nr));
}

// How many bytes of harmless events stand before one that matches; -1: none in sight.
int64_t distance_to_match(Call& c, const Look& look) {
  uint64_t offset = 0;
  EventHeader h = {};
  OnTheWay way = {};
  for (int k = 0; k < kLookAhead; k++) {
    const bool waits =
        look.is_one && h.kind != EventKind::kIntent;  // (for that the leader waits itself)
    if (!peek_event(c.t, offset, waits, h)) return -1;
    if (fits(c, look, offset, h)) return static_cast<int64_t>(offset);
    if (!may_pass(c.t, offset, h, way)) return -1;
    offset += event_extent(h);
    if (offset > stream::kLag / 2) return -1;
  }
  return -1;
}

void skip_bytes_to(Call& c, uint64_t distance) {
  uint64_t target = c.t->pos + distance;
  EventHeader h;
  while (c.t->pos < target) {
    lane_peek(c.t, 0, &h, sizeof h);
    skip_event(c.t, h);
  }
}

Match lose_step(Call& c, const EventHeader& h) {
  report_sequence_divergence(c, h);
  if (leader_fails_soon(c.t)) return Match::kTakeover;
  if (go_astray(c)) return Match::kRedirected;
  stray_from_leader(c.t, "the sequences of system calls differ");
}

}  // namespace

namespace {
bool event_came(Thread* t, Wait how, bool end, EventHeader& h) {
  switch (how) {
    case Wait::kDropped:
      end_follower(t);
    case Wait::kLeaderGone:
      take_over(t);
      return false;
    case Wait::kReady:
      if (end) return true;
      if (t->limit - t->pos <= kMostUnread) {
        lane_peek(t, 0, &h, sizeof h);
        if (__builtin_expect(plausible(h), 1)) return true;
      }
      outlive_damage(t);
      return false;
  }
  return false;
}
}  // namespace

bool next_event(Thread* t, EventHeader& h) {
  return event_came(t, lane_wait(t, sizeof h), false, h);
}

bool next_event_or_end(Thread* t, EventHeader& h, bool& end) {
  const Wait how = lane_wait_or_end(t, sizeof h, end);
  return event_came(t, how, end, h);
}

void skip_event(Thread* t, const EventHeader& h) {
  await_turn(t, h);
  await_shared_turn(t, h);
  if (h.kind == EventKind::kPrivateOpen) note_leader_only_fd(t, static_cast<int>(h.result));
  if (h.kind == EventKind::kQuery) remember_query(t, h);
  if (h.kind == EventKind::kCall && h.nr == __NR_wait4 && h.result > 0)
    return take_foreign_poll(t, h);
  skip_leaders_look(t, h);
  lane_skip(t, event_extent(h));
  finish_event(t, h);
  if (h.kind == EventKind::kIntent) {  // the leader waits
    t->lane->acked.store(t->pos);
    wake_producer(t);
  }
}

namespace {
// The leader has taken a lock next, and this version is to take it, too. (A wait for a condition
// may be none here.)
bool is_lock_ahead(const EventHeader& h) {
  return h.kind == EventKind::kLock && !sites::is_condition(h.nr);
}
}  // namespace

Match follower_match(Call& c, EventHeader& h) {
  Thread* t = c.t;
  const Look look = look_of(c);
  for (;;) {
    if (!next_event(t, h)) return Match::kTakeover;
    await_turn(t, h);
    if (follower_must_end(t)) end_follower(t);
    if (passing(h)) {
      if (is_lock_ahead(h) && (wakes_itself(c) || waits_too_early(c, h))) return Match::kOnOwn;
      if (h.kind == EventKind::kBegun) begin_own_words(c);
      skip_event(t, h);
      continue;
    }
    switch (h.kind) {
      case EventKind::kCall:
        if (matches(c, look, h)) return waits_too_early(c, h) ? Match::kOnOwn : Match::kMatched;
        break;
      case EventKind::kIntent:
        if (matches(c, look, h)) {
          follower_agree(c, h);
          continue;
        }
        break;
      case EventKind::kSignal:
        follow_signal(c.t, c.r, SignalPoint::kCallStart);
        return Match::kRedirected;
      case EventKind::kFault:
        leader_failed(t, h);
        return Match::kTakeover;
      case EventKind::kExit:
        if (h.result != 0 && !harmless(*c.d) && !may_look_alone(c, look)) {
          leader_failed(t, h);
          return Match::kTakeover;
        }
        break;
      case EventKind::kTermSignal:
        follow_term_signal(t, h);
      default:
        break;
    }
    int64_t distance = distance_to_match(c, look);
    if (distance >= 0) {
      skip_bytes_to(c, distance);
    } else if (harmless(*c.d) || own_affair(c.nr, c.args[1]) || polls_child(c) ||
               signals_thread(t, c.nr, c.args[0], c.args[1]) || wakes_itself(c) ||
               may_look_alone(c, look)) {
      return Match::kOnOwn;
    } else if (may_pass(t, h)) {
      skip_event(t, h);
    } else if (waits_too_early(c, h)) {
      return Match::kOnOwn;
    } else {
      return lose_step(c, h);
    }
  }
}

}  // namespace mx::agent
