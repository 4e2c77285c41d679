// What happens when the kernel runs out of memory for the program (its own limit's, or the
// machine's): of two versions that use the same the follower shall go, before it what only sleeps;
// and what was killed so is not brought back, for it would need the same memory again.
#pragma once
#include <sys/types.h>

#include <map>
#include <optional>

#include "shim/monitor/memory_group.h"
#include "shim/stream/arena.h"

namespace mx::monitor {

class WantOfMemory {
 public:
  /// Looks for the limit, and at what has been killed before. The rest comes after.
  void begin();
  /// Bytes that the log of a lane may take: a small part of the limit, a power of two above kLag.
  uint64_t log_size() const;
  /// A control group limits the program's memory.
  bool limited() const { return group_->limit().has_value(); }
  /// Gives every process the score that its part asks for (/proc/PID/oom_score_adj). Called by the
  /// monitor's thread whenever parts may have changed; costs nothing for processes that keep
  /// theirs.
  void rank(stream::Control& c);
  /// Notes how often the kernel has killed, now and then.
  void look(double now);
  /// The kernel has killed a process for want of memory in the last second or two.
  bool struck() const { return group_->kills() != before_; }

 private:
  void give(pid_t pid, int score);
  int base(pid_t leader);

  std::optional<MemoryGroup> group_;
  uint64_t before_ = 0, lately_ = 0;
  double looked_ = 0;
  bool base_known_ = false;
  int base_ = 0;                 ///< what the bundle, or who started mx, asked for
  std::map<pid_t, int> scores_;  ///< given
};

}  // namespace mx::monitor
