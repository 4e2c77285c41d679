#include "shim/monitor/follower_watch.h"

#include <sched.h>

#include <algorithm>

#include "shim/monitor/arena.h"
#include "shim/monitor/pace.h"

namespace mx::monitor {

using namespace stream;

namespace {
// A follower that gives way runs where nothing else does: on a busy machine, not at all. True if it
// did.
bool end_idleness(Process& p) {
  if (!p.gives_way.exchange(0)) return false;
  p.paced_tsc.store(__builtin_ia32_rdtsc());
  set_pace(p.real_pid[1 - (p.leader.load() & 1)], SCHED_BATCH, 0);
  return true;
}
}  // namespace

int FollowerWatch::interval_ms() const {
  if (limit_ <= 0) return -1;
  int quarter = static_cast<int>(limit_ * 250);
  return quarter > 50 ? quarter : 50;
}

bool FollowerWatch::hangs(Progress& p, uint64_t head, uint64_t tail, uint64_t turn,
                          double now) const {
  // A thread that strayed from its locks may leave their events for long; the others then show
  // progress.
  if (tail != p.tail || head == tail || turn != p.turn) p.moved = now;
  p.turn = turn;
  if (head != p.head) {
    if (p.head == p.tail) p.pause = now - p.published;
    p.published = now;
  }
  p.head = head;
  p.tail = tail;
  return now - p.moved > limit_ + p.pause;
}

// The leader has failed, or ends with an error; and all threads of the follower wait for each
// other: one for its turn, one for a lock of the program's own (Go's). Clients, or who waits for
// its end, need not wait for long.
bool FollowerWatch::keeps_waiting(const Lane& lane, const Process& p, double now) {
  return lane.activity.load() == static_cast<uint32_t>(Activity::kAwaitsVerdict) &&
         lane.verdict.load() == 0 &&
         stillness_.seconds(p.real_pid[1 - (p.leader.load() & 1)], now) >= limit_ / 4;
}

std::vector<uint32_t> FollowerWatch::look(Control& control, double now) {
  std::vector<uint32_t> hung;
  if (limit_ <= 0) return hung;
  std::map<uint32_t, Progress> seen;
  // A watch that comes late had no processor, and so had those it watches.
  const double interval = interval_ms() / 1000.0, since = looked_ > 0 ? now - looked_ : 0;
  const double late = since > 2 * interval ? since - interval : 0;
  looked_ = now;
  uint32_t index = 0;
  for (Lane& lane : lanes_taken(control)) {
    uint32_t i = index++;
    const uint32_t process = fetched(lane.process);
    if (lane.in_use.load() != 1 || process >= kMaxProcesses) continue;
    Process& p = control.processes[process];
    if (p.state.load() != static_cast<uint32_t>(PairState::kPaired)) continue;
    uint64_t tail = lane.tail.load(), head = lane.head.load();
    auto known = lanes_.find(i);
    bool same =
        known != lanes_.end() && known->second.tail <= tail;  // else the lane has been given away
    Progress progress = same ? known->second : Progress{head, tail, p.turn.load(), now, now, 0};
    progress.moved = std::min(now, progress.moved + late);
    bool hang = hangs(progress, head, tail, p.turn.load(), now) || keeps_waiting(lane, p, now);
    // (Not of one whose other threads go on: jemalloc's background thread leaves looks at the clock
    // for long.)
    if (head != tail && now - progress.moved > limit_ / 2 && end_idleness(p)) {
      progress.moved = now;
      hang = false;
    }
    // Its parent may be many short-lived processes behind.
    if (p.real_pid[1 - (p.leader.load() & 1)] == 0)
      progress.moved = now;
    else if (hang && (hung.empty() || hung.back() != process))
      hung.push_back(process);
    seen.emplace(i, progress);
  }
  lanes_ = std::move(seen);
  stillness_.looked();
  return hung;
}

}  // namespace mx::monitor
