// Return addresses that lead from the process's own code to the survivor's, and back.
#pragma once

#include "recovery/brought_module.h"

namespace mx::recovery {

struct Move {
  uint64_t slot = 0, from = 0, to = 0;
  bool rebuilds = false;  ///< `to` is a stub
};

/// The stack of one thread that stands still, and how much of it took part in the crash.
struct ThreadStack {
  std::vector<StackFrame> frames;
  /// Frames from here outwards were waiting in the same
  /// calls at the crash: they did not run in between.
  size_t waiting_from = 0;
};

/// Number of frames at the outer end of `frames` whose
/// addresses are those at the outer end of the crash's stack.
size_t common_outer_frames(const std::vector<StackFrame>& frames,
                           const std::vector<uint64_t>& crash_stack);

/// Own code → copy. A frame of a carried function that ran between the event and the crash must
/// agree, or be one that can be rebuilt, or the result is a sentence that says why not; others move
/// only when they can and ran, or stay.
std::string plan_moves_in(const ThreadStack& stack, const AddressSpace& space,
                          const std::vector<BroughtModule*>& modules,
                          const std::vector<uint64_t>& crash_stack, std::vector<Move>& out);
/// Copy → own code. A frame that waits to be rebuilt is left as it was. Returns the number of
/// frames that must stay in the copy until they return.
uint32_t plan_moves_out(const std::vector<StackFrame>& frames,
                        const std::vector<BroughtModule*>& modules, std::vector<Move>& out);
/// "" or which function's entry cannot be overwritten because a frame stands in those bytes.
std::string entries_in_use(const std::vector<StackFrame>& frames,
                           const std::vector<BroughtModule*>& modules);

}  // namespace mx::recovery
