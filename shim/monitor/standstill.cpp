#include "shim/monitor/standstill.h"

#include "shim/monitor/proc_stat.h"

namespace mx::monitor {

namespace {

std::optional<uint64_t> ticks_if_all_asleep(const std::vector<pid_t>& pids) {
  uint64_t sum = 0;
  for (const pid_t pid : pids)
    for (const pid_t tid : threads_of(pid)) {
      const ProcStat thread = proc_stat_of_thread(pid, tid);
      if (thread.state != 'S') return std::nullopt;
      sum += thread.ticks;
    }
  return sum;
}

}  // namespace

bool Standstill::lasts(const std::vector<pid_t>& pids, double now) {
  const auto ticks = pids.empty() ? std::nullopt : ticks_if_all_asleep(pids);
  if (!ticks || ticks != ticks_) since_ = now;
  ticks_ = ticks;
  return ticks && now - since_ >= 1;
}

}  // namespace mx::monitor
