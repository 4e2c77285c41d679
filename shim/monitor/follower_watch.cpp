#include "shim/monitor/follower_watch.h"

#include <sched.h>

#include <algorithm>
#include <set>

#include "shim/monitor/arena.h"
#include "shim/monitor/events.h"
#include "shim/monitor/pace.h"

namespace mx::monitor {

using namespace stream;

namespace {
pid_t follower_of(const Process& p) { return p.real_pid[1 - (p.leader.load() & 1)]; }

// A follower that gives way runs where nothing else does: on a busy machine, not at all. True if it
// did.
bool end_idleness(Process& p) {
  if (!p.gives_way.exchange(0)) return false;
  p.paced_tsc.store(__builtin_ia32_rdtsc());
  set_pace(follower_of(p), SCHED_BATCH, 0);
  return true;
}
}  // namespace

int FollowerWatch::interval_ms() const {
  constexpr double kLooks = 10;
  if (limit_ <= 0) return -1;
  return std::max(50, static_cast<int>(limit_ * 1000 / kLooks));
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
         lane.verdict.load() == 0 && stillness_.seconds(follower_of(p), now) >= limit_ / 4;
}

// The leader waits for room, or an answer, and in no follower that has something to read does any
// thread do anything: they wait for each other. (One alone may wait for another process's, which is
// behind.)
std::vector<FollowerWatch::Hung> FollowerWatch::all_asleep(Control& control, double now) {
  std::vector<Hung> found;
  std::set<uint32_t> behind, waits;
  for (const Lane& lane : lanes_taken(control)) {
    const uint32_t process = fetched(lane.process);
    if (lane.in_use.load() != 1 || process >= kMaxProcesses || lane.head.load() == lane.tail.load())
      continue;
    behind.insert(process);
    if (lane.producer_waits.load()) waits.insert(process);
  }
  if (waits.empty()) return {};
  bool all = true;
  for (const uint32_t i : behind) {
    const Process& p = control.processes[i];
    if (p.state.load() != static_cast<uint32_t>(PairState::kPaired)) continue;
    const double asleep = stillness_.seconds(follower_of(p), now);
    if (asleep < interval_ms() / 1000.0)
      all = false;
    else if (waits.contains(i))
      found.push_back({i, false, false});
  }
  return all ? found : std::vector<Hung>{};
}

namespace {
bool pairs(const Process& p) {
  return p.state.load() == static_cast<uint32_t>(PairState::kPaired) && !p.recovery.stage.load() &&
         follower_of(p) > 0;
}

// By process: for how long its leader's threads have waited, the one that has waited most.
std::map<uint32_t, double> seconds_waited(Control& control) {
  std::map<uint32_t, double> waited;
  for (const Lane& lane : lanes_taken(control)) {
    const uint32_t process = fetched(lane.process);
    const uint64_t ticks = lane.waited_ticks.load();
    if (lane.in_use.load() != 1 || process >= kMaxProcesses || ticks == 0) continue;
    double& most = waited[process];
    most = std::max(most, ticks_to_microseconds(static_cast<int64_t>(ticks)) / 1e6);
  }
  return waited;
}
}  // namespace

std::vector<FollowerWatch::Hung> FollowerWatch::crawling(Control& control, double now) {
  const std::map<uint32_t, double> waited = seconds_waited(control);
  if (waited.empty()) return {};
  Crawl::Sample all{0, 0, true};
  for (const Process& p : processes_taken(control))
    if (pairs(p)) add_process(follower_of(p), all);
  std::vector<Hung> found;
  for (const auto& [i, seconds] : waited) {
    if (!pairs(control.processes[i])) {
      crawl_.forget(i);
      continue;
    }
    const bool again = crawl_.has_crawled(i, now);
    if (crawl_.crawls(i, {seconds, all.busy, all.runs}, now))
      found.push_back({i, true, again, true});
  }
  return found;
}

std::vector<FollowerWatch::Hung> FollowerWatch::look(Control& control, double now) {
  if (limit_ <= 0) return {};
  std::map<uint32_t, Progress> seen;
  // A watch that comes late had no processor, and so had those it watches.
  const double interval = interval_ms() / 1000.0, since = looked_ > 0 ? now - looked_ : 0;
  const double late = since > 2 * interval ? since - interval : 0;
  looked_ = now;
  if (late > 0) stillness_.forget();
  std::vector<Hung> hung = all_asleep(control, now);
  for (const Hung& one : crawling(control, now)) hung.push_back(one);
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
    if (follower_of(p) == 0)
      progress.moved = now;
    else if (hang)
      hung.push_back({process, true, false});
    seen.emplace(i, progress);
  }
  lanes_ = std::move(seen);
  stillness_.looked();
  return hung;
}

}  // namespace mx::monitor
