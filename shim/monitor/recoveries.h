// The recoveries of all pairs of processes.
#pragma once
#include <map>

#include "shim/monitor/pair_recovery.h"

namespace mx::monitor {

class Recoveries {
 public:
  Recoveries(const Arena& arena, Report& report, Transplants& transplants,
             const CrashFolders& crashes)
      : arena_(arena), report_(report), transplants_(transplants), crashes_(crashes) {}

  /// REQUIRES: process < kMaxProcesses.
  PairRecovery& of(uint32_t process);
  PairRecovery& of(const stream::Process& p);
  /// The one whose copy this is, and that has not ended; null if there is none.
  PairRecovery* of_copy(pid_t pid);
  bool any_active() const;
  /// Calls f(process, recovery) for each that has not ended.
  template <typename F>
  void each_active(F&& f) {
    for (auto& [process, r] : pairs_)
      if (r.active()) f(process, r);
  }
  /// How long until step() has to be called, in milliseconds; -1: not at all.
  int timeout_ms(double now) const;

  bool knows(pid_t pid) const { return records_.begun.contains(pid); }
  bool was_given_up(pid_t pid) const { return records_.given_up.contains(pid); }
  bool was_replaced(pid_t pid) const { return records_.replaced.contains(pid); }
  void forget(pid_t pid) { records_.replaced.erase(pid); }
  const RecoveryRecords& records() const { return records_; }
  void keep_origins() { records_.keeps_origins = true; }

 private:
  const Arena& arena_;
  Report& report_;
  Transplants& transplants_;
  const CrashFolders& crashes_;
  RecoveryRecords records_;
  std::map<uint32_t, PairRecovery> pairs_;  ///< by process, once one of its versions has failed
};

}  // namespace mx::monitor
