// When the next checkpoint is worth what it costs. No processes, no clock: tests/unit/monitor.
#pragma once
#include <cstdint>

namespace mx::monitor {

/// What a checkpoint may cost, and what makes a new one worth it: how long a version that comes
/// back would have to replay.
struct CheckpointPolicy {
  double share;     ///< of the time that checkpoints may cost
  double pressing;  ///< … when there is none
  double filling;   ///< … when the log is three quarters full: soon there would be none
  double shortest;  ///< seconds between two
  uint64_t bytes;   ///< published since the last one …
  double cpu;       ///< … or processor seconds that the version has used …
  double age;       ///< … or seconds, if there was anything at all: one is worth making
  int look_ms;
};

inline constexpr CheckpointPolicy kCalm{0.01, 0.02, 0.1, 0.2, 256 << 10, 0.1, 10, 50};
/// For some time after a recovery the next crash is thought to be near.
inline constexpr CheckpointPolicy kHot{0.1, 0.2, 0.3, 0.01, 32 << 10, 0.01, 1, 10};

/// A version and its last checkpoint.
struct Situation {
  bool asleep;          ///< it can be woken
  bool busy;            ///< something is published all the time
  double age;           ///< seconds since it was made
  double since_looked;  ///< seconds since it was weighed
  uint64_t since;       ///< bytes published since it was made
  uint64_t log_size;    ///< bytes
};

/// More than half of the log is needed: the next one is looked for often.
bool half_full(const Situation& s);
/// It may be too late soon: the next one does not keep apart from the other version's.
bool nearly_full(const Situation& s);
/// Cheap to know: whether it is time to look at what the version has used.
bool worth_weighing(const Situation& s, const CheckpointPolicy& rule);
/// `burden`: seconds that a checkpoint costs, `cpu`: seconds of processor that the version has used
/// since the last one.
bool worth_making(const Situation& s, const CheckpointPolicy& rule, double burden, double cpu);

}  // namespace mx::monitor
