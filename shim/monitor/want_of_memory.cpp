#include "shim/monitor/want_of_memory.h"

#include <algorithm>
#include <bit>
#include <fstream>
#include <string>
#include <utility>

#include "shim/monitor/own_processes.h"

namespace mx::monitor {

using namespace stream;

namespace {

// Of a thousand parts of the memory there is. So much more does a follower seem to use: the kernel
// ends who uses most (oom_badness: resident pages, page tables, and this part of the limit). Half
// of it: a follower lags, so when the limit is reached the leader has all that it wanted and the
// follower what is left. Of two that want s of a limit l that is s and l - s, and the leader uses
// 2s - l more: less than half of l as long as s is less than three quarters. With a tenth (before)
// the leader went as soon as it had 55 parts in a hundred. A leader that takes more than three
// quarters for itself goes, and the follower carries on.
constexpr int kFollower = 500;
constexpr int kMost = 1000;
constexpr uint64_t kShareOfLog = 32;  // of the limit
constexpr double kLately = 1;         // seconds

std::string file_of(pid_t pid) { return "/proc/" + std::to_string(pid) + "/oom_score_adj"; }

bool runs(const Process& p, int version) {
  return p.real_pid[version] > 1 && p.alive[version].load();
}

bool sleeps(const Sleeper& s) {
  return is(s, SleeperState::kAsleep) || is(s, SleeperState::kMaking);
}

}  // namespace

void WantOfMemory::begin() {
  group_.emplace();
  before_ = lately_ = group_->kills();
}

uint64_t WantOfMemory::log_size() const {
  const auto limit = group_->limit();
  return limit ? std::clamp(std::bit_floor(*limit / kShareOfLog), 2 * kLag, kLog) : kLog;
}

int WantOfMemory::base(pid_t leader) {
  if (!base_known_) base_known_ = static_cast<bool>(std::ifstream(file_of(leader)) >> base_);
  return base_;
}

void WantOfMemory::give(pid_t pid, int score) {
  const auto [at, fresh] = scores_.try_emplace(pid, score);
  if (!fresh && at->second == score) return;
  at->second = score;
  if (is_own_process(pid))
    std::ofstream(file_of(pid)) << score;  // a process that has just ended needs none
}

void WantOfMemory::rank(Control& c) {
  const Process& root = c.processes[0];
  const int leads = static_cast<int>(root.leader.load() & 1);
  if (!runs(root, leads)) return;
  const int own = base(root.real_pid[leads]);
  std::map<pid_t, int> before;
  before.swap(scores_);
  const auto keep = [&](pid_t pid, int score) {
    if (const auto known = before.find(pid); known != before.end()) scores_.insert(*known);
    give(pid, score);
  };
  for (const Process& p : processes_taken(c)) {
    const auto leader = static_cast<int>(p.leader.load() & 1);
    if (runs(p, leader)) keep(p.real_pid[leader], own);
    if (runs(p, 1 - leader)) keep(p.real_pid[1 - leader], std::min(own + kFollower, kMost));
  }
  // Before all others: they free little, but what a version has in common with its sleeping copy
  // would not be freed by its own end.
  for (const Process& p : processes_taken(c))
    for (const Checkpoint& checkpoint : p.checkpoint)
      for (const Sleeper& sleeper : checkpoint.sleepers)
        if (const pid_t pid = sleeper.pid.load(); pid > 1 && sleeps(sleeper)) keep(pid, kMost);
}

void WantOfMemory::look(double now) {
  if (now - looked_ < kLately) return;
  looked_ = now;
  before_ = std::exchange(lately_, group_->kills());
}

}  // namespace mx::monitor
