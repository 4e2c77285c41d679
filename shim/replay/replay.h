// `mx replay`: makes the crash of a replay bundle come again.
#pragma once
#include <string>

namespace mx::replay {

struct ReplayOptions {
  std::string folder;  ///< of the bundle, or of the crash
  std::string root;    ///< the version's root tree on this machine; empty: where it was
  bool debugger = false;
  bool interactive = false;  ///< the debugger stays at the crash and asks its user
  double limit = 60;         ///< seconds, without a debugger
};

enum class Outcome { kSamePlace, kElsewhere, kNoCrash };

/// Prints what happens. Throws std::runtime_error when the crash could not be tried.
Outcome replay(const ReplayOptions& options);

}  // namespace mx::replay
