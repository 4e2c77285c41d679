// The monitor's side of the transplant: has the versions compared in the background, and brings
// code in and takes it out while a recovered version stands still (agent/transplant.cpp). The
// engine is recovery/.
#pragma once
#include <sys/types.h>

#include <array>
#include <set>
#include <string>
#include <vector>

#include "recovery/transplant.h"
#include "shim/stream/arena.h"

namespace mx::monitor {

class Transplants {
 public:
  Transplants();

  /// Both versions run: starts the analysis of what differs; plans for both directions when that is
  /// known. `pids` by stream::Version.
  void prepare(const std::array<pid_t, 2>& pids);
  /// True if the child was the analysis. When it has ended, plans for both directions.
  bool child_ended(pid_t pid, int status);
  /// The process of `version` stands still at the end of its last call, thread `tid` waiting in the
  /// agent. REQUIRES: its threads are held under ptrace (stopped.h).
  recovery::Outcome apply(stream::Version version, pid_t pid, pid_t tid, pid_t survivor,
                          std::vector<recovery::ThreadState>& threads,
                          const std::vector<uint64_t>& crash_stack);
  recovery::Outcome revert(stream::Version version, pid_t pid, pid_t tid,
                           std::vector<recovery::ThreadState>& threads);
  /// An analysis is running: what has no mapping yet may soon have one.
  bool busy() const { return mappings_.descriptor() >= 0; }
  /// A recovery waits for it.
  void hurry() { mappings_.hurry(); }

 private:
  void plan_ahead();
  recovery::MappingService mappings_;
  recovery::Transplanter transplanter_;
  std::array<pid_t, 2> pids_{};
};

}  // namespace mx::monitor
