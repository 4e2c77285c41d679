// How a frame that waits at a call in one version becomes a frame of the other.
#pragma once

#include <functional>

#include "analyzer/analysis.h"
#include "analyzer/code/frame_use.h"

namespace mx::analyzer {

// One version's side of a call site.
struct FrameView {
  const Program& program;
  uint64_t return_address;
  int32_t depth;  // bytes from rsp to the CFA at the call
  const FunctionVariables& function;
  const VariablesAt& variables;
  const FrameUse& use;
};

// The frame is `own`'s and shall be `other`'s. Every register and every byte of the frame that
// `other`'s code may still read must be explained: by a value that the caller saved, by a variable
// that both versions know, or, where the frames are alike and nothing moves, by being read at the
// same place by both. A register that always holds the same (a text's address) needs no
// explanation. `same_constant` tells whether what a register always holds means the same in both.
using SameConstant =
    std::function<bool(const RegisterConstant& own, const RegisterConstant& other)>;
Crossing cross(const FrameView& own, const FrameView& other, bool parameters_differ,
               const SameConstant& same_constant);

}  // namespace mx::analyzer
