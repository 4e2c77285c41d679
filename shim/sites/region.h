// Chooses the bytes around one syscall instruction that a jump can replace.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "branch_targets.h"
#include "decode.h"
#include "function_bounds.h"
#include "site_table.h"

namespace mx::sites {

/// One decoded function and what is known of the code around it.
struct FunctionCode {
  const Function& function;
  Bytes bytes;  // of the function
  const std::vector<Instruction>& instructions;
  const BranchTargets& targets;  // with the function's own branches and landing pads marked
  const Segment& segment;        // element of ElfImage::code(), for what stands around the function
  /// Whether an instruction can begin at an address outside the function: asked rarely.
  std::function<bool(uint64_t)> may_begin;
};

class RegionFinder {
 public:
  RegionFinder(Decoder* decoder, FunctionCode code);

  /// The region for the syscall, or the reading of the counter, at instructions[index]. Prefers to
  /// take what stands after it, then what stands before, then both; and what moves without fix-ups.
  /// Regions of one function never overlap. REQUIRES: called with ascending indices. The file
  /// offset is left 0.
  Site find(size_t index);

 private:
  /// A run of instructions on one side of the syscall.
  struct Side {
    size_t count = 0;  // instructions
    size_t bytes = 0;
    Reason obstacle = Reason::kNoRoom;  // what ended it
  };

  Side extend_after(size_t index, size_t wanted, bool with_fixups);
  Side extend_before(size_t index, size_t wanted, bool with_fixups);
  Reason obstacle_at(size_t index, bool with_fixups);
  bool jumped_into(uint64_t begin, uint64_t end) const;
  bool short_branch_from_outside(uint64_t begin, uint64_t end) const;
  bool checks_errno(size_t index) const;
  Bytes bytes_of(const Instruction& instruction) const;
  bool describe(size_t first, size_t last, Site* site);
  Site refused(size_t index, Reason reason) const;
  bool unused(uint64_t begin, uint64_t end) const;
  Site by_stone(size_t index, Reason reason);

  Decoder* decoder_;
  const FunctionCode code_;
  uint64_t taken_until_ = 0;  // where the region before ends
  uint64_t stones_until_ = 0;
  bool unresolved_jump_ = false;
};

}  // namespace mx::sites
