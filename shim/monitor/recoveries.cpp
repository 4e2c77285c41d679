#include "shim/monitor/recoveries.h"

#include <algorithm>

namespace mx::monitor {

PairRecovery& Recoveries::of(uint32_t process) {
  return pairs_.try_emplace(process, arena_, process, records_, report_, transplants_, crashes_)
      .first->second;
}

PairRecovery& Recoveries::of(const stream::Process& p) {
  return of(static_cast<uint32_t>(&p - arena_.control().processes));
}

PairRecovery* Recoveries::of_copy(pid_t pid) {
  for (auto& [process, r] : pairs_)
    if (r.active() && r.copy() == pid) return &r;
  return nullptr;
}

bool Recoveries::any_active() const {
  return std::any_of(pairs_.begin(), pairs_.end(), [](const auto& p) { return p.second.active(); });
}

int Recoveries::timeout_ms(double now) const {
  int soonest = -1;
  for (const auto& [process, r] : pairs_)
    if (const int t = r.timeout_ms(now); t >= 0 && (soonest < 0 || t < soonest)) soonest = t;
  return soonest;
}

}  // namespace mx::monitor
