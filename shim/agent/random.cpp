#include "shim/agent/random.h"

#include "shim/agent/align.h"
#include "shim/agent/call.h"
#include "shim/agent/failover.h"
#include "shim/agent/lane.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/signals.h"

namespace mx::agent {

using sites::LockKind;

namespace {

constexpr uint64_t kPart = 512;  // bytes an event; what is made is rarely more

/// On the program's stack.
struct Made {
  uint64_t at, size;
  int64_t result;
};

// A part of what a function fills.
long step(HookStep what, uint64_t at, uint64_t size, long result, long* leaders) {
  Made m{at, size, result};
  const long taken = mx_lock_step(what, reinterpret_cast<long>(&m), 0, 0);
  if (taken) *leaders = m.result;
  return taken;
}

bool worked(const HookedCall& c, long result) {
  return c.kind == LockKind::kValue || static_cast<int32_t>(result) > 0;
}

}  // namespace

long random_call(Thread* t, const HookedCall& c) {
  long result = c.run();
  if (t->role == Role::kSolo) return result;
  const int first = c.kind == LockKind::kBytesIn ? 1 : 0;
  uint64_t at = c.args[first], left = 0;
  if (c.kind == LockKind::kBytes) left = c.args[1] & 0x7fffffff;  // an int
  if (c.kind == LockKind::kBytesIn) left = c.args[2];
  if (!worked(c, result)) left = 0;
  const HookStep what = t->role == Role::kLeader ? kMade : kTakeMade;
  do {
    const uint64_t part = left < kPart ? left : kPart;
    if (!step(what, at, part, result, &result) && what == kTakeMade) break;
    at += part;
    left -= part;
  } while (left);
  return result;
}

void publish_random(Thread* t, const Regs* r) {
  Made m;
  uint8_t bytes[kPart];
  if (t->role != Role::kLeader || follower_gone(t)) return;
  if (!copy_guarded(&m, reinterpret_cast<void*>(r->rdi), sizeof m) || m.size > kPart) return;
  if (!copy_guarded(bytes, reinterpret_cast<void*>(m.at), m.size)) return;
  publish_plain(t, EventKind::kRandom, 0, 0, m.result, bytes, static_cast<uint32_t>(m.size));
}

// Of the event at the cursor, whose turn it is. False: it is not what was made here.
static bool take(Thread* t, const EventHeader& h, Made& m) {
  uint8_t bytes[kPart];
  if (h.size != m.size || m.size > kPart) {
    skip_event(t, h);
    return false;
  }
  lane_skip(t, sizeof h);
  if (!lane_get(t, bytes, m.size)) return false;
  lane_skip(t, stream::padded(h.size) - h.size);
  finish_event(t, h);
  m.result = h.result;
  return copy_guarded(reinterpret_cast<void*>(m.at), bytes, m.size);
}

void take_random(Thread* t, Regs* r) {
  Made m;
  EventHeader h;
  r->rax = 0;
  if (!copy_guarded(&m, reinterpret_cast<void*>(r->rdi), sizeof m)) return;
  while (t->role == Role::kFollower && next_event(t, h)) {
    if (h.kind == EventKind::kSignal) return follow_signal(t, r, SignalPoint::kCallStart);
    await_turn(t, h);
    if (follower_must_end(t)) end_follower(t);
    if (h.kind == EventKind::kRandom) {
      const bool taken =
          take(t, h, m) && copy_guarded(reinterpret_cast<void*>(r->rdi), &m, sizeof m);
      if (!t->regs_redirected) r->rax = taken;
      return;
    }
    if (!passing(h)) return;
    skip_event(t, h);
  }
}

}  // namespace mx::agent
