// How deep the stack is at each instruction.
#pragma once

#include <cstdint>
#include <vector>

#include "analyzer/code/program.h"

namespace mx::analyzer {

constexpr int32_t kUnknownDepth = -1;

// Bytes from the stack pointer to the CFA before each instruction of `f`; kUnknownDepth where it is
// not certain. Where call frame information is based on rsp, it says so itself; where it is based
// on rbp, pushes, pops and adjustments since the prologue are followed along the control flow.
std::vector<int32_t> stack_depths(const Program& program, const Function& f);

}  // namespace mx::analyzer
