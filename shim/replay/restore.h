// The process of a replay bundle, made anew: the checkpoint before the crash, in another process.
#pragma once
#include <string>

#include "shim/monitor/arena.h"
#include "shim/monitor/launch.h"
#include "shim/replay/bundle.h"
#include "shim/replay/root_tree.h"

namespace mx::replay {

/// Puts the bundle's part of the arena into `arena`, and sets the stage: a leader that is about to
/// make its next call when the log ends, and a follower that has all of the log before it. Throws.
void load_arena(const Bundle& b, const std::string& folder, const monitor::Arena& arena);

/// A process of the bundle's program with the checkpoint's memory, registers and files, asleep
/// where the checkpoint slept: the agent wakes when Witness::state says so. Ends with this object.
class Restored {
 public:
  /// Throws.
  Restored(const Bundle& b, const std::string& folder, const RootTree& tree,
           const monitor::Arena& arena);
  pid_t pid() const { return departure_.pid(); }
  /// What is not as it was, a sentence each.
  const std::vector<std::string>& remarks() const { return remarks_; }

 private:
  monitor::Departure departure_;
  std::vector<std::string> remarks_;
};

}  // namespace mx::replay
