// Checkpoints of processes that share memory: all of one version's make theirs in one round, while
// all stand still (agent/joint.h). They are worth something only together.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shim/monitor/arena.h"

namespace mx::monitor {

class JointCheckpoints {
 public:
  explicit JointCheckpoints(const Arena& arena) : arena_(arena) {}

  /// Whether a version of this process shares memory that can be copied.
  static bool shares(const stream::Process& p, stream::Version v) {
    return p.sharing[static_cast<int>(v)].load() != 0;
  }
  /// Begins a round. Returns the processes that were asked; empty: it cannot be, now.
  std::vector<uint32_t> begin(stream::Version v, double now);
  /// Goes on with it: kicks who does not come, calls it off when that takes too long.
  void step(double now);
  bool going_on() const { return going_on_; }
  /// A process is about to go back: a round that goes on comes to nothing.
  void interrupt() {
    if (going_on_) call_off();
  }
  /// The checkpoints of the last round sleep, and those who share the memory are the same as then;
  /// `ended`: a process that counts although it has just ended.
  bool complete(stream::Version v, std::optional<uint32_t> ended = {}) const;
  /// For a person: why they are not complete.
  std::string why_not(stream::Version v, std::optional<uint32_t> ended = {}) const;
  /// Before the first of them is woken: the order of their locks begins where it was then
  /// (SharedLock::followed).
  void begin_epoch(stream::Version v) const;
  /// It was not woken.
  void take_back_epoch(stream::Version v) const;
  /// A checkpoint of that round has been woken: the others' are to be, too, whatever comes. There
  /// is no other round before all have been, or are given up.
  void used(stream::Version v) { last_[static_cast<int>(v)].used = true; }
  bool was_used(stream::Version v) const { return last_[static_cast<int>(v)].used; }
  /// … or forget() says that they will not be.
  void forget(stream::Version v) { last_[static_cast<int>(v)].used = false; }

 private:
  using Members = std::vector<std::pair<uint32_t, int32_t>>;  ///< index and vpid
  /// Checkpoints of one moment.
  struct Round {
    uint32_t number = 0;
    Members members;
    bool used = false;
  };
  /// Of a version whose rounds come to nothing.
  struct Rest {
    int failed = 0;  ///< one after the other
    double until = 0;
  };
  stream::Process& process(uint32_t i) const { return arena_.control().processes[i]; }
  stream::Checkpoint& checkpoint(uint32_t i, stream::Version v) const {
    return process(i).checkpoint[static_cast<int>(v)];
  }
  Members members(stream::Version v, std::optional<uint32_t> ended = {}) const;
  bool can_take_part(const stream::Process& p, stream::Version v) const;
  void refuse(const Members& all, stream::Version v, uint32_t why) const;
  int free_slot(stream::Version v) const;
  bool clear(stream::Version v, int slot) const;
  void ask(stream::Process& p) const;
  void kick() const;
  const stream::Sleeper* sleeper(uint32_t process, stream::Version v, const Round& r) const;
  bool all_sleep(stream::Version v, const Round& r) const;
  bool any_to_be_woken(stream::Version v) const;
  void take_places();
  void call_off();
  void rest(double now);
  void end();

  const Arena& arena_;
  Round last_[2];  ///< by Version: what a version can go back to
  bool going_on_ = false;
  Round next_;                                       ///< that goes on …
  stream::Version version_ = stream::Version::kOld;  ///< … of this version
  uint32_t number_ = 0;
  Rest rests_[2];  ///< by Version
  double deadline_ = 0, next_kick_ = 0;
};

}  // namespace mx::monitor
