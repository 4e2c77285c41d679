#include "shim/agent/order.h"

#include "shim/agent/baton.h"
#include "shim/agent/checkpoint.h"
#include "shim/agent/damage.h"
#include "shim/agent/failover.h"
#include "shim/agent/lane.h"
#include "shim/agent/log.h"
#include "shim/agent/memory.h"
#include "shim/agent/rest.h"
#include "shim/agent/settle.h"
#include "shim/agent/threads.h"

namespace mx::agent {

namespace {

constexpr int64_t kLookAgainMs = 50, kReplayLookMs = 2;
constexpr int64_t kPatienceMs = 300, kSerialPatienceMs = 3000;  // without any progress
constexpr int kInItsWay = 10;                                   // looks of kReplayLookMs
constexpr int kAlone = 150;  // the same when there is no leader any more, each of kReplayLookMs

Word& slot_of(Process* p, uint64_t order) { return p->turn_slots[order % stream::kTurnSlots]; }

// The events of a lane, read many at once.
class EventsOfLane {
 public:
  EventsOfLane(uint32_t index, uint64_t at, uint64_t head) : index_(index), at_(at), head_(head) {}

  /// False: there are no more, or they cannot be read.
  bool next(EventHeader& h) {
    at_ += step_;
    if (at_ > head_ || head_ - at_ < sizeof h || !read()) return false;
    memcpy(&h, bytes_ + (at_ - from_), sizeof h);
    step_ = sizeof h + stream::padded(h.size);
    return true;
  }
  uint64_t at() const { return at_; }

 private:
  bool read() {
    if (at_ >= from_ && at_ + sizeof(EventHeader) <= to_) return true;
    const uint64_t n = head_ - at_ < sizeof bytes_ ? head_ - at_ : sizeof bytes_;
    from_ = at_;
    to_ = read_log(index_, at_, bytes_, n) ? at_ + n : at_;
    return to_ > from_;
  }

  uint32_t index_;
  uint64_t at_, head_, step_ = 0;
  uint64_t from_ = 0, to_ = 0;  // what of the lane is in `bytes_`
  uint8_t bytes_[2048];
};

// The first unread event in a lane that stands at `order` or behind
// it; false if there is none yet. Turns only grow: what stood before
// the last one that this thread has looked for need not be read again.
bool first_from(Thread* t, Lane& l, uint32_t index, uint64_t order, EventHeader& h) {
  const uint64_t tail = l.tail.load(std::memory_order_acquire),
                 head = l.head.load(std::memory_order_acquire);
  if (head - tail > kMostUnread) return false;
  Thread::SeenLane& seen = t->seen[index % Thread::kSeenLanes];
  const bool known = seen.lane == index + 1 && seen.vtid == l.vtid && seen.order <= order &&
                     seen.at >= tail && seen.at <= head;
  EventsOfLane events(index, known ? seen.at : tail, head);
  bool found = false;
  while (!found && events.next(h)) found = (h.flags & stream::kOrdered) && h.order >= order;
  if (order) seen = {index + 1, l.vtid, order, events.at()};
  return found;
}

// The event of this position in the lane of a thread that does not move.
bool find_event(Thread* t, Lane& l, uint32_t index, uint64_t order, EventHeader& h) {
  return first_from(t, l, index, order, h) && h.order == order;
}

// Whose turn the place in the order is, + 1; 0: there is no such event yet. What the leader notes
// of it is overwritten when it is far ahead.
uint32_t lane_of(Thread* t, uint64_t turn) {
  Process* p = t->proc->shared;
  const uint32_t noted = p->order_lane[turn % stream::kOrderLanes].load(std::memory_order_relaxed);
  EventHeader h;
  if (noted && noted <= stream::kMaxLanes &&
      find_event(t, control()->lanes[noted - 1], noted - 1, turn, h))
    return noted;
  const auto process = static_cast<uint32_t>(p - control()->processes);
  uint32_t index = 0;
  for (Lane& l : stream::lanes_taken(*control())) {
    if (l.in_use.load() && l.process == process && find_event(t, l, index, turn, h))
      return index + 1;
    index++;
  }
  return 0;
}

uint32_t lane_of_turn(Thread* t) { return lane_of(t, t->proc->shared->turn.load()); }

// The thread whose turn it is has gone to wait for what its leader's has not waited for. (`lane`
// here and below: what lane_of_turn() said a moment ago. It reads all lanes.)
bool is_elsewhere(const Thread* t, uint32_t lane) {
  bool elsewhere = false;
  each_thread(t->proc, [&](const Thread& o) {
    elsewhere |= o.lane_index + 1 == lane && o.waits_elsewhere.load();
  });
  return lane && elsewhere;
}

// Whose turn it is may sleep because nobody thought its events worth a wake-up.
void wake(uint32_t lane) {
  if (lane == 0) return;
  Lane& l = control()->lanes[lane - 1];
  if (l.head.load() == l.tail.load() || l.consumer_waits.load() != 1) return;
  if (l.consumer_waits.exchange(0) == 1) futex_wake(&l.consumer_waits, 1);
}

// A leader that failed has taken places in the order and published nothing there. A copy that
// catches up finds that no thread has an event to read that stands before `order`.
bool none_before(Thread* t, uint64_t order) {
  Process* p = t->proc->shared;
  auto process = static_cast<uint32_t>(p - control()->processes);
  uint32_t index = 0;
  EventHeader h;
  for (Lane& l : stream::lanes_taken(*control())) {
    uint32_t i = index++;
    if (!l.in_use.load() || l.process != process) continue;
    if (first_from(t, l, i, p->turn.load(), h) && h.order < order) return false;
  }
  return true;
}

// True while the turn is at places that a former leader has taken.
bool skip_gap(Thread* t, uint64_t order) {
  Process* p = t->proc->shared;
  const uint64_t limit = p->gaps_before.load();
  if (p->turn.load() >= limit || turn_is_owed(t)) return false;
  if (limit < order) order = limit;
  if (none_before(t, order)) pass_turns_before(p, order);
  return true;
}

// It is the turn of a lock that this version's thread may never take: what threads read without a
// lock (jemalloc's background thread does) may lead them elsewhere. The others go on; only the
// order of this one lock is given up.
bool give_up_lock(Thread* t) {
  Process* p = t->proc->shared;
  uint64_t turn = p->turn.load();
  const uint32_t lane = lane_of_turn(t);
  if (lane == 0 || lane - 1 == t->lane_index) return false;
  Lane& l = control()->lanes[lane - 1];
  uint64_t tail = l.tail.load();
  EventHeader h;
  if (!find_event(t, l, lane - 1, turn, h) || h.kind != EventKind::kLock || l.tail.load() != tail)
    return false;
  t->stray_lane = lane;
  t->stray_tail = tail;
  pass_turn(t, h);
  return true;
}

// It is the turn of a thread that waits for another one of this version, by a futex that is no
// event: libc's locks that nothing hooks (syslog's) were not given in the leader's order. Who has
// it has to go first.
bool waits_alone(uint32_t lane) { return lane && control()->lanes[lane - 1].waits_alone.load(); }

// A thread whose lock was given up, and which has not moved since.
bool still_stray(const Thread* t, uint32_t lane) {
  return lane && lane == t->stray_lane && control()->lanes[lane - 1].tail.load() == t->stray_tail;
}

// A leader that was killed may have taken a ticket and never published the event. All that it did
// publish is there, so an event that stands in no lane will not come.
void skip_lost_ticket(Thread* t) {
  Process* p = t->proc->shared;
  if (p->alive[static_cast<int>(stream::other(t->proc->version))].load()) return;
  uint64_t turn = p->turn.load();
  if (turn_is_owed(t) || lane_of_turn(t) || awaits_flight(t, turn)) return;
  EventHeader lost{};
  lost.flags = stream::kOrdered;
  lost.order = turn;
  if (p->turn.load() == turn) pass_turn(t, lost);
}

}  // namespace

bool another_follows(Thread* t) {
  if (t->passed_baton || !t->owed_turn) return false;
  const uint32_t lane = lane_of(t, t->owed_turn);
  return lane && lane != t->lane_index + 1;
}

bool all_stand_still(Thread* t) {
  if (t->proc->threads.load() <= 1 || !others_rest(t, false)) return false;
  const uint32_t lane = lane_of_turn(t);
  return lane && (lane == t->lane_index + 1 || waits_alone(lane));
}

bool unread_before(Thread* t, Lane& l, uint64_t order) {
  if (l.head.load() == l.tail.load()) return false;
  if (order == ~uint64_t{0}) return true;
  EventHeader h;
  return first_from(t, l, static_cast<uint32_t>(&l - control()->lanes), 0, h) && h.order < order;
}

bool only_queries_unread(Lane& l) {
  constexpr int kMost = 64;
  const auto index = static_cast<uint32_t>(&l - control()->lanes);
  uint64_t at = l.tail.load(std::memory_order_acquire);
  const uint64_t head = l.head.load(std::memory_order_acquire);
  EventHeader h;
  for (int n = 0; at < head; n++) {
    if (n == kMost || !read_log(index, at, &h, sizeof h) || h.kind != EventKind::kQuery)
      return false;
    at += sizeof h + stream::padded(h.size);
  }
  return true;
}

void pass_turns_before(Process* p, uint64_t order) {
  uint64_t now = p->turn.load();
  while (now < order && !p->turn.compare_exchange_weak(now, order)) {
  }
  Word& next = slot_of(p, order);
  if (next.load() && next.exchange(0)) futex_wake(&next, 1 << 30);
}

void take_order(Thread* t, EventHeader& h) {
  Process* p = t->proc->shared;
  if (p->threads.load(std::memory_order_relaxed) <= 1 && !t->proc->multi_threaded) return;
  t->proc->multi_threaded = 1;
  h.flags |= stream::kOrdered;
  h.order = t->ticket ? t->ticket - 1 : p->order.fetch_add(1);
  p->order_lane[h.order % stream::kOrderLanes].store(static_cast<uint16_t>(t->lane_index + 1),
                                                     std::memory_order_relaxed);
  t->ticket = 0;
}

void take_ticket(Thread* t) {
  t->proc->multi_threaded = 1;
  if (t->role == Role::kLeader) t->ticket = t->proc->shared->order.fetch_add(1) + 1;
}

bool has_turn(const Thread* t, const EventHeader& h) {
  return !(h.flags & stream::kOrdered) ||
         t->proc->shared->turn.load(std::memory_order_acquire) >= h.order;
}

void await_turn(Thread* t, const EventHeader& h) {
  if (!(h.flags & stream::kOrdered)) return;
  pass_baton(t);
  t->followed = h.order + 1;
  Process* p = t->proc->shared;
  // (With one thread at a time nothing leads a thread elsewhere: it waits for a processor.)
  const int64_t most = is_serial(t) ? kSerialPatienceMs : kPatienceMs;
  int64_t patience = most;
  uint64_t seen = p->turn.load();
  int alone = 0, in_its_way = 0, held_up = 0;
  const bool breaks_in = h.kind == EventKind::kLock && h.nr == kBrokeIn;
  for (int spin = 0; p->turn.load(std::memory_order_acquire) < h.order; spin++) {
    if (spin < 200) {
      pause();
      continue;
    }
    const uint64_t now = p->turn.load();
    const bool moved = now != seen, gone = leader_is_gone(t);
    seen = now;
    if (moved) {
      alone = 0;
      patience = most;
    }
    if (gone) {
      if (alone++ > kAlone) return;  // nobody moves
      skip_lost_ticket(t);
    }
    if (follower_must_end(t)) return;
    const uint32_t next = lane_of_turn(t);
    if (is_elsewhere(t, next) && give_up_lock(t)) continue;
    const bool stuck = waits_alone(next) && !moved;
    in_its_way = stuck ? in_its_way + 1 : 0;
    if (in_its_way >
        kInItsWay + static_cast<int>(h.order - seen < kAlone ? h.order - seen : kAlone))
      return;  // the next one first
    wake(next);
    Word& slot = slot_of(p, h.order);
    slot.store(1);
    if (p->turn.load() >= h.order) break;
    const bool gaps = skip_gap(t, h.order);
    if (p->turn.load() >= h.order) break;
    long woken = 0;
    held_up = breaks_in && !moved && now + 1 == h.order ? held_up + 1 : 0;
    if (held_up && held_up * kReplayLookMs >= h.result && turn_is_owed(t))
      return;  // as the leader's thread did
    const int64_t look = gaps || gone || stuck || breaks_in ? kReplayLookMs : kLookAgainMs;
    if (!still_stray(t, next) && sleep_at_rest(t, &slot, 1, look, &woken)) continue;
    if (woken == kEtimedout) patience -= look;
    if (p->turn.load() == seen && (still_stray(t, next) || patience < 0) && give_up_lock(t))
      patience = most;
  }
}

void pass_turn(Thread* t, const EventHeader& h) {
  if (!(h.flags & stream::kOrdered)) return;
  Process* p = t->proc->shared;
  // A survivor's thread that comes late: the turn is the recovered version's.
  if (recovers(p) && p->leader.load() == static_cast<uint32_t>(t->proc->version)) return;
  pass_turns_before(p, h.order + 1);
}

}  // namespace mx::agent
