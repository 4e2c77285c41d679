// What the monitor finds out about a crash: for the report line at once, the folder with the
// details in a process of its own, when the recovery is over: making that process, and each page
// that the monitor writes beside it, would take the recovery's time. The crashed process stands
// still meanwhile, except one that was killed.
#pragma once
#include <sys/types.h>

#include <array>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "shim/monitor/arena.h"
#include "shim/monitor/replay_bundle.h"
#include "shim/stream/history.h"

namespace mx::monitor {

/// Of one thread, by Version: a copy, because who comes back writes over what the crashed one did.
using Past = std::array<stream::History, 2>;
/// `lane`: of the thread; null if there is none.
std::shared_ptr<const Past> past_of(const Arena& arena, int64_t lane);

struct Crash {
  stream::Version version = stream::Version::kOld;
  pid_t pid = 0, tid = 0;  ///< of the thread; 0: not known
  int signal = 0;
  uint64_t address = 0, fault_address = 0;
  int64_t lane = -1;    ///< of the thread; -1: not known
  bool stands = false;  ///< the process can still be looked at
  pid_t survivor = 0;   ///< process of the other version; 0: none
  std::shared_ptr<const Past> past;

  /// Not valid if they are not known.
  stream::SavedRegisters registers_of(stream::Version v) const;
};

/// The thread's last calls, oldest first. What its pointers pointed to is not known any more.
nlohmann::ordered_json last_calls(const Crash& crash, stream::Version v);

/// "symbol", "module" and "module_address" of an address in a process; nothing if it lies in no
/// file.
void add_symbol(nlohmann::ordered_json& line, pid_t pid, uint64_t address);

/// Makes a folder for each crash and starts the process that fills it. `now`: seconds of the
/// monitor's clock.
class CrashFolders {
 public:
  explicit CrashFolders(const Arena& arena) : arena_(arena) {}
  /// Crash folders go to `base` (made if missing). "" switches them off.
  void set_base(std::string base) { base_ = std::move(base); }
  /// Crash folders get a core file of the version that crashed.
  void set_core(bool core) { core_ = core; }
  /// Returns the folder's path, "" if there is none. `line`: the crash line so far.
  std::string open(const Crash& crash, const nlohmann::ordered_json& line, double now);
  /// Starts the processes that fill the folders opened before, if it is time. `recovers`: a version
  /// is on its way back.
  void fill(double now, bool recovers);
  /// Starts them all.
  void fill_all();
  /// Milliseconds until fill() is to be called, -1: never.
  int timeout_ms() const { return waiting_.empty() ? -1 : kLookMs; }
  /// The crash of this process has been recovered from, or could not be: its `recovery` line, step
  /// by step, goes to recovery.json and recovery.txt of its folder, if it has one.
  void add_recovery(pid_t crashed, const nlohmann::ordered_json& line) const;
  /// Puts what `mx replay` needs into the folder of the crash of this process; without one, nothing
  /// is kept.
  void add_bundle(pid_t crashed, const ReplayOrigin& origin);
  /// Says in the folder why there is none.
  void add_no_bundle(pid_t crashed, const std::string& why) const;
  /// True as long as somebody looks at this process: do not end it.
  bool looks_at(pid_t pid) const;
  /// A child has ended. Returns the process that it looked at, 0 if it was no child of ours.
  pid_t finished(pid_t child);
  /// Ends the processes that still write: their folders stay as they are.
  void end_all() const;
  bool busy() const { return !readers_.empty() || !waiting_.empty(); }

 private:
  static constexpr int kLookMs = 20;

  struct Waiting {
    Crash crash;
    nlohmann::ordered_json line;
    std::string folder;
    double since;
  };

  void fill(const Waiting& one);
  template <typename F>
  pid_t start_reader(unsigned seconds, F&& work);

  const Arena& arena_;
  std::string base_;
  bool core_ = false;
  unsigned count_ = 0;
  std::vector<Waiting> waiting_;
  std::map<pid_t, pid_t> readers_;  ///< by child: whom it looks at
  struct Folder {
    std::string path;
    replay::CrashPlace place;
  };
  std::map<pid_t, Folder> folders_;  ///< by crashed process: the latest
};

}  // namespace mx::monitor
