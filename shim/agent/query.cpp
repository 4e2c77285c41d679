// Queries: calls without side effect (clocks, ids, usage). The leader publishes its answers; the
// follower's sequence of queries need not be the same.
#include "shim/agent/query.h"

#include "shim/agent/align.h"
#include "shim/agent/children.h"
#include "shim/agent/doubt.h"
#include "shim/agent/failover.h"
#include "shim/agent/fds.h"
#include "shim/agent/limits.h"
#include "shim/agent/marshal.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/own_ids.h"
#include "shim/agent/signals.h"
#include "shim/agent/vdso.h"

namespace mx::agent {

namespace {

// The header says what for (query_arg) and how much; the first bytes of the result stand in it, the
// rest follows.
struct QueryEvent {
  EventHeader h;
  uint8_t rest[400];
  uint8_t* bytes() { return reinterpret_cast<uint8_t*>(&h.digest); }
};

CachedQuery* cached(Thread* t, uint16_t nr, uint32_t arg) {
  CachedQuery* q = query_slot(t, nr, arg);
  return q->nr == nr && q->arg == arg ? q : nullptr;
}

// Results of all output arguments, one after the other.
uint32_t gather(Call& c, uint8_t* to, uint32_t limit) {
  uint32_t used = 0;
  for (int i = 0; i < c.d->nargs; i++) {
    if (!(c.d->out_mask >> i & 1)) continue;
    uint64_t n = out_size(c, i);
    if (n > limit - used) n = limit - used;
    memcpy(to + used, reinterpret_cast<void*>(c.args[i]), n);
    used += n;
  }
  return used;
}

void scatter(Call& c, const uint8_t* from, uint32_t size) {
  for (int i = 0; i < c.d->nargs && size; i++) {
    if (!(c.d->out_mask >> i & 1)) continue;
    uint64_t n = out_size(c, i);
    if (n > size) n = size;
    memcpy(reinterpret_cast<void*>(c.args[i]), from, n);
    from += n;
    size -= n;
  }
}

uint32_t key(const Call& c) {
  return c.d->nargs && sys::is_value(c.d->args[0].kind) ? static_cast<uint32_t>(c.args[0]) : 0;
}

// An allocator's clock: jemalloc looks at it after a number of allocations that it draws by lot,
// from an address, so each version looks at other places. The leader's looks are passed over, the
// follower's get the last answer: no other query is passed over for them, nor answered from memory
// because the next event is one of them. (redis' timers saw another time than the leader's, and
// fired in the follower alone: one run in ten with 6,000 clients.)
bool is_allocators(uint16_t nr, uint32_t arg) {
  constexpr uint32_t kRealtimeCoarse = 5, kMonotonicCoarse = 6;
  return nr == __NR_clock_gettime && (arg == kRealtimeCoarse || arg == kMonotonicCoarse);
}

// The next event of this kind stands behind others only that the follower may lack: queries, and
// what the leader looks at. (Not with threads: how often they ask for the time is chance, python's
// for one, and both look at the file.)
bool find_ahead(Call& c, uint32_t arg) {
  Thread* t = c.t;
  uint64_t offset = 0;
  OnTheWay way = {};
  for (int k = 0; k < 16; k++) {
    EventHeader h;
    if (!lane_more(t, offset + sizeof h)) return false;
    lane_peek(t, offset, &h, sizeof h);
    if (h.kind == EventKind::kQuery && h.nr == c.nr && query_arg(h) == arg) return true;
    const bool look =
        !t->proc->multi_threaded && h.kind == EventKind::kCall && may_pass(t, offset, h, way);
    if (h.kind != EventKind::kQuery && !look) return false;
    offset += sizeof h + stream::padded(h.size);
  }
  return false;
}

long answer(Call& c, const CachedQuery& q) {
  c.ret = q.result;
  scatter(c, q.bytes, q.size);
  return c.ret;
}

// Ids of groups and sessions, in a version whose kernel ids are not the program's.
bool asks_for_group(long nr) {
  return nr == __NR_getpgid || nr == __NR_getpgrp || nr == __NR_getsid;
}

void present(Call& c) {
  if (c.nr == __NR_getrlimit && c.ret == 0)
    present_limit(c.args[0], c.args[1]);
  else if (c.nr == __NR_getppid)
    c.ret = virtual_parent(c.t, c.ret);
  else if (asks_for_group(c.nr) && c.ret > 0)
    c.ret = virtual_group(c.t, static_cast<int32_t>(c.ret), c.nr == __NR_getsid);
}

}  // namespace

// This version asks again and again where the leader
// goes on without asking: it may wait for the clock.
static bool asks_on(Thread* t) {
  constexpr uint32_t kMost = 64;
  t->alone.add(t->pos);
  return t->alone.count > kMost;
}

// The leader has not asked: it knows what it was told last, and after a while what is so.
static long answer_alone(Call& c, bool truly) {
  const CachedQuery* q = truly ? nullptr : cached(c.t, static_cast<uint16_t>(c.nr), key(c));
  if (q) return answer(c, *q);
  name_own_ids(c);
  return run_local(c);
}

void remember_query(Thread* t, const EventHeader& h) {
  CachedQuery* q = query_slot(t, h.nr, query_arg(h));
  q->nr = h.nr;
  q->arg = query_arg(h);
  q->result = h.result;
  constexpr uint32_t kInHeader = sizeof h.digest;
  uint32_t size = query_size(h);
  if (size > sizeof q->bytes || size > kInHeader + h.size) size = 0;  // a damaged lane
  q->size = static_cast<uint16_t>(size);
  memcpy(q->bytes, &h.digest, kInHeader);
  if (size > kInHeader) lane_peek(t, sizeof h, q->bytes + kInHeader, size - kInHeader);
}

long follow_query(Call& c) {
  Thread* t = c.t;
  uint32_t arg = key(c);
  auto nr = static_cast<uint16_t>(c.nr);
  for (;;) {
    EventHeader h = {};
    bool end = false;
    if (!next_event_or_end(t, h, end)) return run_query(c);
    if (end) return answer_alone(c, false);
    const bool query = h.kind == EventKind::kQuery;
    const bool mine = query && h.nr == nr && query_arg(h) == arg;
    // (This thread may hold a lock that another one needs to come to its earlier event: a question
    // waits for nobody's turn.)
    const bool may_be_first = query || has_turn(t, h);
    const bool passes = !is_allocators(nr, arg) && may_be_first &&
                        ((query && is_allocators(h.nr, query_arg(h))) || find_ahead(c, arg));
    if (mine || passes) {
      skip_event(t, h);
      if (mine) return answer(c, *cached(t, nr, arg));
      continue;
    }
    if (h.kind == EventKind::kSignal) {
      follow_signal(t, c.r, SignalPoint::kCallStart);
      return c.r->rax;
    }
    const bool asks = !is_allocators(nr, arg), asks_more = asks && asks_on(t);
    // Where the leader failed this version goes on. (With
    // an exit it may ask a last question first, and agree.)
    if (asks && may_be_first && (asks_more ? failure(h) : h.kind == EventKind::kFault)) {
      leader_failed(t, h);
      return run_query(c);
    }
    return answer_alone(c, asks_more);
  }
}

long run_query(Call& c) {
  Thread* t = c.t;
  if (long own; own_identity(c, own)) return own;
  if (t->role == Role::kFollower && !t->of_allocator) return follow_query(c);
  name_own_ids(c);
  if (const Hooks* hooks = hooks_of(c.nr); hooks->prepare) hooks->prepare(c);
  if (!vdso_call(c, c.ret)) c.ret = execute_plain(c);
  present(c);
  // An allocator's own thread is woken when each version's memory wants
  // it. The follower's would wait, with a lock that its other threads
  // need, for a question that its leader's asks when it is woken.
  if (t->role != Role::kLeader || t->of_allocator) return c.ret;
  inject_fault(t);
  QueryEvent e;
  const uint32_t size = is_error(c.ret) ? 0 : gather(c, e.bytes(), sizeof e.rest);
  const uint32_t rest = size > sizeof e.h.digest ? size - sizeof e.h.digest : 0;
  e.h.size = rest;
  e.h.nr = static_cast<uint16_t>(c.nr);
  e.h.kind = EventKind::kQuery;
  e.h.flags = 0;
  e.h.result = c.ret;
  e.h.order = query_word(key(c), size);
  const uint64_t extent = sizeof e.h + stream::padded(rest);
  if (lane_begin(t, extent) && lane_put(t, &e, extent)) lane_commit(t);
  return c.ret;
}

}  // namespace mx::agent
