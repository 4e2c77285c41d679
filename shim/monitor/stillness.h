// Processes that do nothing: all threads sleep, and none has used the processor.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <map>

namespace mx::monitor {

class Stillness {
 public:
  /// For how long the process has done nothing, as far as it was asked about; 0 if it does
  /// something, is stopped (signal(7)), or has ended. `now`: seconds of a steady clock.
  double seconds(pid_t pid, double now);
  /// All that there is to ask has been asked: forgets the others.
  void looked();
  /// It was not asked for longer than it should have been: what was seen before says nothing.
  void forget() { seen_.clear(); }

 private:
  struct Seen {
    double since, when;
    uint64_t used;  // nanoseconds
    bool asked;
  };
  std::map<pid_t, Seen> seen_;
};

}  // namespace mx::monitor
