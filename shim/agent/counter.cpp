#include "shim/agent/counter.h"

#include "shim/agent/align.h"
#include "shim/agent/call.h"
#include "shim/agent/failover.h"
#include "shim/agent/lane.h"
#include "shim/agent/order.h"
#include "shim/agent/patch.h"
#include "shim/agent/signals.h"

namespace mx::agent {

namespace {

constexpr uint16_t kCounterRead = 1;  // the `nr` of a kRandom event

// False: the leader has not read it here.
bool follow(Thread* t, uint64_t& value) {
  EventHeader h;
  while (t->role == Role::kFollower && next_event(t, h)) {
    if (!passing(h)) return false;
    await_turn(t, h);
    if (follower_must_end(t)) end_follower(t);
    const bool mine = h.kind == EventKind::kRandom && h.nr == kCounterRead;
    skip_event(t, h);
    value = static_cast<uint64_t>(h.result);
    if (mine) return true;
  }
  return false;
}

}  // namespace

}  // namespace mx::agent

using namespace mx::agent;

void mx_read_counter(Thread* t, Regs* r) {
  constexpr uint32_t kHalf = 32;
  t->regs = r;
  t->regs_redirected = 0;
  park_if_failing(t);
  uint64_t value = tsc();
  if (t->role == Role::kFollower)
    follow(t, value);
  else
    publish_plain(t, EventKind::kRandom, 0, kCounterRead, static_cast<int64_t>(value), nullptr, 0);
  r->rax = value & ~uint32_t{0};
  r->rdx = value >> kHalf;
  if (reads_processor(r->rip)) r->rcx = 0;  // as if on the first one
  t->regs = nullptr;
  if (t->pending && t->role != Role::kFollower) arm_deferred(t);
}
