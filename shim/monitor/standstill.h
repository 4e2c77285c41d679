// Whether processes have come to a standstill.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace mx::monitor {

class Standstill {
 public:
  static constexpr int kLookMs = 200;
  /// True once all their threads have been asleep, and have used no
  /// processor time, whenever it was asked for a second (ask every kLookMs).
  /// A process that waits for a processor or a disk is not asleep.
  bool lasts(const std::vector<pid_t>& pids, double now);

 private:
  std::optional<uint64_t> ticks_;  ///< of processor time, when they were found asleep
  double since_ = 0;
};

}  // namespace mx::monitor
