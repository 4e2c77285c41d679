#include "shim/monitor/standstill.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace mx::monitor {

namespace {

// Clock ticks that a thread has used, or nothing if it is not asleep (or gone).
std::optional<uint64_t> ticks_if_asleep(const std::filesystem::path& task) {
  std::ifstream in(task / "stat");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  // "pid (name) state …": the name may hold anything, so count from its last parenthesis.
  const size_t name_end = text.rfind(") ");
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 2));
  std::string state, skip;
  uint64_t user = 0, system = 0;
  fields >> state;
  for (int field = 4; field <= 13; ++field) fields >> skip;
  fields >> user >> system;
  if (state != "S") return std::nullopt;
  return user + system;
}

std::optional<uint64_t> ticks_if_all_asleep(const std::vector<pid_t>& pids) {
  uint64_t sum = 0;
  for (const pid_t pid : pids) {
    std::error_code ignored;
    for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", ignored)) {
      const auto ticks = ticks_if_asleep(task.path());
      if (!ticks) return std::nullopt;
      sum += *ticks;
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
