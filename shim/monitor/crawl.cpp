#include "shim/monitor/crawl.h"

#include "shim/monitor/proc_stat.h"

namespace mx::monitor {

bool Crawl::crawls(uint32_t process, const Sample& sample, double now) {
  constexpr double kMostOfTheTime = 0.7, kHalf = 0.5;
  const auto [at, fresh] = seen_.try_emplace(process, Seen{sample, now, true});
  Seen& s = at->second;
  s.always_ran &= sample.runs;
  const double since = now - s.since;
  if (fresh || since < window_) return false;
  const bool waits = sample.waited - s.first.waited > kMostOfTheTime * since;
  const double busy = sample.busy - s.first.busy;
  const bool found = waits && s.always_ran && busy >= 0 &&
                     busy < kHalf * since;  // (less than nothing: threads have ended)
  s = {sample, now, sample.runs};
  if (found) crawled_[process] = now;
  return found;
}

bool Crawl::has_crawled(uint32_t process, double now) const {
  constexpr double kShortWhile = 60;
  const auto found = crawled_.find(process);
  return found != crawled_.end() && now - found->second < kShortWhile;
}

void add_process(pid_t pid, Crawl::Sample& sample) {
  for (const pid_t tid : threads_of(pid)) {
    const ProcessorTime time = processor_time_of_thread(pid, tid);
    sample.busy += static_cast<double>(time.used + time.waited) / 1e9;
    const char state = proc_stat_of_thread(pid, tid).state;
    sample.runs &= state == 'S' || state == 'R' || !state;
  }
}

}  // namespace mx::monitor
