#include "shim/monitor/standstill.h"

#include <filesystem>
#include <string>

#include "shim/monitor/proc_stat.h"

namespace mx::monitor {

namespace {

std::optional<uint64_t> ticks_if_all_asleep(const std::vector<pid_t>& pids) {
  uint64_t sum = 0;
  for (const pid_t pid : pids) {
    std::error_code ignored;
    for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", ignored)) {
      const ProcStat thread = proc_stat(task.path());
      if (thread.state != 'S') return std::nullopt;
      sum += thread.ticks;
    }
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
