// When checkpoints are made (agent/checkpoint.h makes them): so seldom that they cost a small share
// of the time, so often that the log holds what was published since. And their end.
#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "shim/monitor/arena.h"
#include "shim/monitor/checkpoint_policy.h"
#include "shim/monitor/joint_checkpoints.h"

namespace mx::monitor {

/// For a person: why a version has no checkpoint.
std::string why_no_checkpoint(const stream::Checkpoint& c);

/// A copy that is not wanted, asleep or half made, ends.
void end_sleeper(stream::Sleeper& s);

class Checkpoints {
 public:
  Checkpoints(const Arena& arena, bool on) : arena_(arena), on_(on), joint_(arena) {}
  /// How long to sleep before the next look(), in milliseconds; -1: for ever.
  int interval_ms() const;
  /// Asks the versions for the checkpoints that are due. `now` in seconds.
  void look(double now);
  /// A version of a process has come back: the next crash may be near.
  void soon(uint32_t process, stream::Version v, double now);
  /// A child of the monitor has ended: it may have been asleep. If the kernel killed it for want of
  /// memory, none is made for a while. `used`: seconds of processor.
  void child_ended(pid_t pid, bool out_of_memory, double used, double now);
  /// The program has ended.
  void end_all();
  /// Of processes that share memory.
  JointCheckpoints& joint() { return joint_; }
  /// Child processes of the program that may have checkpoints, while they live.
  std::vector<uint32_t> children() const;
  /// For `mx status`: of one process.
  nlohmann::ordered_json status(uint32_t process, stream::Version v) const;

 private:
  struct Schedule {
    uint64_t made_tsc = 0;  ///< of the checkpoint that `made` and `faults` belong to
    double made = 0, asked = 0;
    uint64_t faults = 0;      ///< the process's minor faults then
    uint64_t published = 0;   ///< bytes, then
    double cpu = 0;           ///< seconds of processor, then
    double weighed = 0;       ///< when that was last looked at
    double cost = 0;          ///< seconds that the version stood still for it
    double sleeper_cost = 0;  ///< seconds of processor that the last copy that ended has used
  };
  /// A process of the program.
  struct Watched {
    int32_t vpid = 0;  ///< its place in the table may be given to another one
    double began = 0, recovered = -1000;
    uint64_t published = 0;  ///< bytes, at the last look
    bool busy = true;
    Schedule schedule[2];
  };
  Watched* watched(uint32_t process, double now);
  void look_at(uint32_t process, Watched& w, uint64_t published, double now);
  void look_at(const Watched& w, stream::Process& p, stream::Version v, Schedule& s, double now);
  void ask_together(stream::Version v, double now);
  bool due(const Watched& w, Schedule& s, const Situation& at, pid_t pid, double now) const;
  bool ready(const stream::Process& p, stream::Version v) const;
  double burden(const Schedule& s, uint64_t faults) const;

  const Arena& arena_;
  bool on_;
  double next_ = 0;
  bool busy_ = true, hot_ = false;
  std::map<uint32_t, Watched> watched_;
  JointCheckpoints joint_;
  bool joint_due_[2] = {};  ///< by Version
};

}  // namespace mx::monitor
