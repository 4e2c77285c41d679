#include "shim/monitor/stillness.h"

#include "shim/monitor/proc_stat.h"

namespace mx::monitor {

namespace {

constexpr double kNothing = 1e7;  // nanoseconds a second: who waits looks around now and then

// Nanoseconds on a processor.
uint64_t time_used(pid_t pid, const std::vector<pid_t>& threads) {
  uint64_t used = 0;
  for (const pid_t tid : threads) used += processor_time_of_thread(pid, tid).used;
  return used;
}

}  // namespace

double Stillness::seconds(pid_t pid, double now) {
  const std::vector<pid_t> threads = threads_of(pid);
  if (!all_asleep(pid, threads)) {
    seen_.erase(pid);
    return 0;
  }
  const uint64_t used = time_used(pid, threads);
  const auto [at, fresh] = seen_.try_emplace(pid, Seen{now, now, used, true});
  Seen& s = at->second;
  if (!fresh && static_cast<double>(used - s.used) > kNothing * (now - s.when)) s.since = now;
  s = {s.since, now, used, true};
  return now - s.since;
}

void Stillness::looked() {
  std::erase_if(seen_, [](const auto& entry) { return !entry.second.asked; });
  for (auto& [pid, seen] : seen_) seen.asked = false;
}

}  // namespace mx::monitor
