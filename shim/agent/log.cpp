#include "shim/agent/log.h"

#include "shim/agent/checkpoint.h"
#include "shim/agent/failover.h"
#include "shim/agent/flight.h"
#include "shim/agent/lane.h"
#include "shim/agent/memory.h"
#include "shim/stream/lane_log.h"

namespace mx::agent {

using stream::CheckpointRefusal;

namespace {

constexpr uint64_t kLag = stream::kLag, kRingMask = kLag - 1;
constexpr uint64_t kStep = kLag / 32;   // of a producer that waits for who catches up
constexpr uint64_t kChunk = 64 * 1024;  // what is moved at once: some 25 µs

// How far the producer may be ahead. A version that catches up makes two steps for each of the
// producer's, or a busy one would never be caught up with: not even when it is as near as the
// producer lets it come. In full lockstep it must come quite near: at its next announcement the
// producer waits for all that is left.
uint64_t limit_of_lag(const Process* p, const Lane* l, uint64_t tail) {
  if (!recovers(p)) return tail + kLag;
  const uint64_t paired = tail + (control()->settings.full_lockstep ? kStep : near_enough() / 2);
  if (!l->catch_up_head) return ~uint64_t{0};
  const uint64_t half = l->catch_up_head + (tail - l->catch_up_tail) / 2;
  return half > paired ? half : paired;
}

// What is kept of a lane.
uint64_t room(const Lane* l) { return l->log_size ? l->log_size : kLag; }

// The first position that somebody may still want to read.
uint64_t first_wanted(const Process* p, const Lane* l) {
  uint64_t first = l->tail.load(std::memory_order_acquire);
  if (!l->log_size) return first;
  for (int v : {0, 1})
    for (int slot : {0, 1}) {
      const uint64_t place = l->checkpoint[v][slot].load();
      if (holds_log(p->checkpoint[v].sleepers[slot]) && place < first) first = place;
    }
  return first;
}

// Gives up what would have to read before `first`.
bool give_up_before(Thread* t, uint64_t first) {
  Process* p = t->proc->shared;
  bool any = false;
  for (int v : {0, 1})
    for (int slot : {0, 1}) {
      if (t->lane->checkpoint[v][slot].load() >= first || !give_up(p->checkpoint[v].sleepers[slot]))
        continue;
      p->checkpoint[v].refusal = static_cast<uint32_t>(CheckpointRefusal::kLogFull);
      any = true;
    }
  return any;
}

void give_up_recovery(Thread* t) {
  drop_follower(t, "it could not catch up: the log is full");
  end_recovery(t->proc->shared);
}

bool move_into_log(Thread* t, uint64_t from, uint64_t to) {
  if (file_size_is_limited()) return false;
  const uint8_t* ring = lane_ring(t->lane_index);
  for (; from < to; from += kChunk) {
    const long n = sys(__NR_pwrite64, control()->settings.reserved_fd, ring + (from & kRingMask),
                       kChunk, stream::place_in_log(*t->lane, t->lane_index, from));
    count_own(t, __NR_pwrite64, n);
    if (n != static_cast<long>(kChunk)) return false;
  }
  return true;
}

// The ring too is read by way of the file: who reads it once does not map it for that.
long read_arena(void* to, uint64_t n, uint64_t offset) {
  return sys(__NR_pread64, control()->settings.reserved_fd, to, n, offset);
}

}  // namespace

bool file_size_is_limited() {
  uint64_t limit[2];
  constexpr int kRlimitFsize = 1;
  return sys(__NR_getrlimit, kRlimitFsize, limit) != 0 || limit[0] != ~uint64_t{0};
}

uint64_t log_end(Thread* t) {
  Lane* l = t->lane;
  Process* p = t->proc->shared;
  uint64_t end = first_wanted(p, l) + room(l);
  const uint64_t lag_end = limit_of_lag(p, l, l->tail.load(std::memory_order_acquire));
  if (lag_end < end) end = lag_end;
  return end > t->pos ? end : t->pos;
}

uint64_t room_wanted(const Process* p, uint64_t n) { return recovers(p) && n < kStep ? kStep : n; }

bool may_go_on(const Process* p, const Lane* l, uint64_t head, uint64_t tail) {
  if (!recovers(p)) return head - tail < kLag - kLag / 8;
  return limit_of_lag(p, l, tail) >= head + kStep;
}

bool make_room(Thread* t, uint64_t n) {
  const uint64_t kept = room(t->lane), first = t->pos + n > kept ? t->pos + n - kept : 0;
  if (give_up_before(t, first)) return true;
  if (!recovers(t->proc->shared) || t->lane->tail.load() >= first) return false;
  give_up_recovery(t);
  return true;
}

void keep_log(Thread* t, uint64_t n) {
  Lane* l = t->lane;
  if (!l->log_size) return;
  const uint64_t step = (t->pos | (kChunk - 1)) + 1, wanted = t->pos + n;
  if (const uint64_t end = wanted > step ? wanted : step; t->limit > end) t->limit = end;
  const uint64_t logged = l->logged.load(std::memory_order_relaxed);
  if (logged + kLag >= t->limit) return;
  const uint64_t end = (t->limit - kLag + kChunk - 1) & ~(kChunk - 1);
  if (first_wanted(t->proc->shared, l) < end && !move_into_log(t, logged, end)) {
    give_up_before(t, end);
    if (recovers(t->proc->shared)) give_up_recovery(t);
  }
  l->logged.store(end);  // before anything is written over, in the order of the machine
}

void read_ring(uint32_t lane, uint64_t at, void* to, uint64_t n) {
  const uint8_t* ring = lane_ring(lane);
  at &= kRingMask;
  const uint64_t part = n < kLag - at ? n : kLag - at;
  memcpy(to, ring + at, part);
  if (part < n) memcpy(static_cast<uint8_t*>(to) + part, ring, n - part);
}

bool read_log(uint32_t lane, uint64_t at, void* to, uint64_t n) {
  return stream::read_lane(control()->lanes[lane], lane, at, to, n, read_arena);
}

void read_log(Thread* t, uint64_t at, void* to, uint64_t n) {
  auto* out = static_cast<uint8_t*>(to);
  while (n) {
    if (at < t->window_from || at >= t->window_to) {
      const uint64_t head = t->lane->head.load(std::memory_order_acquire);
      uint64_t wanted = sizeof t->window;
      if (wanted > head - at) wanted = head - at;
      const uint64_t got =
          stream::read_lane_part(*t->lane, t->lane_index, at, t->window, wanted, read_arena);
      if (!got) leave_as_follower(t, "the log cannot be read");
      t->window_from = at;
      t->window_to = at + got;
    }
    const uint64_t there = t->window_to - at, part = n < there ? n : there;
    memcpy(out, t->window + (at - t->window_from), part);
    at += part;
    out += part;
    n -= part;
  }
}

}  // namespace mx::agent
