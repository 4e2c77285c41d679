// A planned change of leader, asked for by the operator: the leader's threads stop at a system-call
// boundary (or between two calls), the follower reads its lanes to the end and takes over. Nothing
// is lost or done twice, because no call is in progress. One at a time; every pair of processes
// that the version leads changes.
//
// The same is done with the children when the leader of their parent has failed: the survivor can
// wait for, group, and share memory with, the children of its own version only.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>

#include "shim/monitor/arena.h"

namespace mx::monitor {

class Handover {
 public:
  explicit Handover(const Arena& arena) : arena_(arena) {}

  /// Begins: `to` shall lead. `limit_s`: after that it
  /// is given up. Returns a sentence if it cannot begin.
  std::string begin(stream::Version to, double limit_s);
  /// The same for the processes below `parent`, whose leader has failed; `to` leads it now. Each
  /// reports a failover.
  void begin_below(const stream::Process& parent, stream::Version to, double limit_s);
  /// By the operator, not because a parent's leader has failed.
  bool planned() const { return !parent_; }
  bool active() const { return active_; }
  stream::Version to() const { return to_; }
  /// How long the monitor may sleep, in milliseconds; -1 when there is nothing to do.
  int timeout_ms() const { return active_ ? 5 : -1; }

  enum class State : uint8_t { kRunning, kDone, kGivenUp };
  /// Goes on with it; to be called whenever timeout_ms() has passed or a message came.
  State step();
  /// The follower of pair `process` has taken over (its failover message). True if that was planned
  /// by the operator.
  bool took_over(uint32_t process, int64_t descriptors, int64_t ticks);

  int64_t descriptors() const { return descriptors_; }
  int64_t ticks() const { return ticks_; }       ///< of the pair that took longest
  uint32_t changed() const { return changed_; }  ///< pairs that have a new leader

 private:
  bool waits(const stream::Process& p) const;
  bool is_to_come(const stream::Process& p) const;
  bool untold(const stream::Process& p) const;
  bool concerns(const stream::Process& p) const;
  const stream::Process* parent_of(const stream::Process& p) const;
  void start(double limit_s);
  void ask(stream::Process& p);
  void kick(const stream::Process& p);
  bool cancel(stream::Process& p);

  const Arena& arena_;
  bool active_ = false;
  const stream::Process* parent_ = nullptr;
  stream::Version to_ = stream::Version::kOld;
  double deadline_ = 0, next_kick_ = 0;
  int64_t descriptors_ = 0, ticks_ = 0;
  uint32_t changed_ = 0;
  std::set<const stream::Process*>
      told_;  ///< pairs of which took_over() has told since they were asked
};

}  // namespace mx::monitor
