#include "shim/agent/damage.h"

#include "shim/agent/doubt.h"
#include "shim/agent/failover.h"
#include "shim/agent/log.h"
#include "shim/agent/memory.h"
#include "shim/agent/report.h"

namespace mx::agent {

namespace {
constexpr int64_t kPatienceNs = 10'000'000'000, kLookAgainMs = 20;

// The leader's last event is its fault: it waits for a verdict. (Where its cursor stands is known
// to itself alone.)
bool ends_in_fault(Thread* t, EventHeader& h) {
  const uint64_t head = t->lane->head.load(std::memory_order_acquire);
  if (head < t->pos + sizeof h || head - t->pos > kMostUnread) return false;
  read_ring(t->lane_index, head - sizeof h, &h, sizeof h);
  if (h.kind != EventKind::kFault || h.size) return false;
  t->pos = head - sizeof h;
  t->limit = head;
  return true;
}
// In a call, which may last, or stopped: that is no hang.
bool works(Thread* t) {
  return t->lane->activity.load() == static_cast<uint32_t>(Activity::kEventCall) ||
         leader_is_stopped(t);
}
}  // namespace

bool plausible(const EventHeader& h) {
  constexpr uint16_t kSignals = 64;
  switch (h.kind) {
    case EventKind::kCall:
    case EventKind::kIntent:
    case EventKind::kQuery:
      return h.nr <= sys::kMax;
    case EventKind::kSignal:
    case EventKind::kFault:
    case EventKind::kTermSignal:
      return h.nr && h.nr <= kSignals;
    default:
      return h.kind >= EventKind::kCall && h.kind <= stream::kLastKind;
  }
}

void outlive_damage(Thread* t) {
  const uint64_t good = t->pos;
  const int64_t hang_ns = int64_t{control()->settings.hang_timeout_ms} * 1'000'000;
  int64_t seen_at_work = monotonic_ns();
  note(t, "what the leader has published makes no sense: the shared arena was written over");
  for (const int64_t until = monotonic_ns() + kPatienceNs + 2 * hang_ns; monotonic_ns() < until;) {
    EventHeader h;
    if (follower_must_end(t)) end_follower(t);
    if (leader_is_gone(t)) {
      take_over(t);
      return;
    }
    if (ends_in_fault(t, h)) {
      leader_failed(t, h, good);
      return;
    }
    if (works(t)) seen_at_work = monotonic_ns();
    if (hang_ns && monotonic_ns() - seen_at_work > hang_ns && declare_leader_hung(t)) continue;
    Word& word = t->lane->consumer_waits;
    word.store(1);
    futex_wait(&word, 1, kLookAgainMs);
  }
  leave_as_follower(t, "the leader's events make no sense: the shared arena was written over");
}

bool pair_damaged(const Process* p) {
  const uint32_t state = p->state.load();
  return state == static_cast<uint32_t>(PairState::kFree) ||
         state > static_cast<uint32_t>(PairState::kEnded);
}

}  // namespace mx::agent
