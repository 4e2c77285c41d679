// How long somebody has been waited for, in sleeps that end early: kicks, rounds of checkpoints and
// others' wake-ups are no time that has passed.
#pragma once
#include "shim/agent/doubt.h"

namespace mx::agent {

class Patience {
 public:
  /// Before a sleep.
  void begin() {
    if (!since_) since_ = monotonic_ns();
  }
  /// After a sleep of at most `step_ms`: milliseconds in all since reset(). Who was stopped
  /// meanwhile (`docker pause`) has waited for one step.
  int64_t waited(int64_t step_ms) {
    const int64_t now = monotonic_ns(), most = step_ms * kMs;
    total_ += now - since_ < most ? now - since_ : most;
    since_ = now;
    return total_ / kMs;
  }
  void reset() { since_ = total_ = 0; }

 private:
  static constexpr int64_t kMs = 1'000'000;
  int64_t since_ = 0, total_ = 0;  ///< nanoseconds
};

}  // namespace mx::agent
