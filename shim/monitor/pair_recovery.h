// Brings a version of one process that failed back into lockstep (docs/recovery.md): wakes its
// checkpoint, has the other version's code carried in where the crash was, and out again when it is
// over.
#pragma once
#include <sys/types.h>

#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "shim/monitor/arena.h"
#include "shim/monitor/crash.h"
#include "shim/monitor/replay_bundle.h"
#include "shim/monitor/report.h"
#include "shim/monitor/transplants.h"
#include "shim/stream/history.h"

namespace mx::monitor {

/// What became of processes of all pairs, by real pid.
struct RecoveryRecords {
  std::set<pid_t> begun;     ///< its recovery has begun, and what became of it is reported
  std::set<pid_t> replaced;  ///< stands still: to be ended when nobody looks at it any more
  /// former leaders of the first process, which stand for its id until the program ends
  std::set<pid_t> stand_ins;
  std::set<pid_t> given_up;  ///< copies: what becomes of them is no news
  /// what `mx replay` needs is kept of each crash of the first process, once for each place where
  /// it crashes
  bool keeps_origins = false;
};

/// A version that failed.
struct Failed {
  pid_t pid;    ///< its process
  bool stands;  ///< … stands still, or is gone
  /// It has not crashed but gone another way than the
  /// leader: how; "": it has crashed, or was killed.
  std::string strayed = {};
  std::string why_not = {};  ///< it is not to be recovered; "": it is
  /// It has not failed, but shares memory with one that did, and goes back with it.
  bool along = false;
};

/// Of one pair of processes.
class PairRecovery {
 public:
  PairRecovery(const Arena& arena, uint32_t process, RecoveryRecords& records, Report& report,
               Transplants& transplants, const CrashFolders& crashes)
      : arena_(arena),
        process_(process),
        records_(records),
        report_(report),
        transplants_(transplants),
        crashes_(crashes) {}

  /// The recovery of a version of this process was asked for (RecoveryStage::kAsked). Returns the
  /// process that takes its place; 0: there will be none, the leader goes on alone, and
  /// report_start() says why.
  pid_t begin(const Failed& f, double now);
  /// A version has failed and will not be recovered: reports why.
  void none(stream::Version v, pid_t pid);
  /// Writes what there is to say of the last begin(); the line of the crash itself comes first.
  void report_start();
  /// The copy has come to a new stage, or time has passed. True: the version is back.
  bool step(double now);
  /// The copy has ended, or was dropped: it does not come back.
  void failed(const std::string& reason);
  /// The operator does not want the version back that an agent has asked for.
  void refuse();
  bool active() const { return active_; }
  stream::Version version() const { return version_; }
  pid_t copy() const { return copy_; }
  /// How long until step() has to be called, in milliseconds; -1: not at all.
  int timeout_ms(double now) const;
  /// Of the last begin(), once; without one, `why_no_origin` says why.
  std::optional<ReplayOrigin> take_origin() { return std::exchange(origin_, std::nullopt); }
  std::string take_why_no_origin() { return std::exchange(why_no_origin_, {}); }
  pid_t crashed() const { return crashed_; }
  /// Index of the process.
  uint32_t process() const { return process_; }

 private:
  stream::Process& pair() const { return arena_.control().processes[process_]; }
  bool ended() const;
  std::string too_often(double now, bool strayed);
  std::vector<uint64_t> stack_of_crash(pid_t crashed) const;
  stream::SavedRegisters registers_of_crash() const;
  void keep_origin();
  bool at_crash(double now);
  bool at_divergence();
  void go_on(stream::RecoveryStage from, stream::RecoveryStage to);
  void note(const recovery::Outcome& o);
  void give_up(const std::string& reason);
  void mark(const char* step);
  void finish();
  int64_t microseconds() const;
  void write(const char* result, const std::string& reason);

  const Arena& arena_;
  const uint32_t process_;
  RecoveryRecords& records_;
  Report& report_;
  Transplants& transplants_;
  const CrashFolders& crashes_;
  bool active_ = false;
  stream::Version version_ = stream::Version::kOld;
  pid_t copy_ = 0, crashed_ = 0;
  int32_t vpid_ = 0;
  double deadline_ = 0;
  std::optional<ReplayOrigin> origin_;
  std::string why_no_origin_;
  std::set<uint64_t> places_;    ///< of crashes whose origin was kept
  std::vector<uint64_t> stack_;  ///< of the crash, innermost first
  std::vector<std::string> functions_;
  std::vector<std::string> left_;
  std::string remark_, why_not_;
  std::vector<recovery::Step> steps_;     ///< of the transplant
  std::vector<recovery::Step> timeline_;  ///< microseconds since the crash, by stage
  struct Times {
    std::deque<double> all, strayed;  ///< when
  } times_[2];                        ///< of earlier recoveries, by Version
};

}  // namespace mx::monitor
