// The control flow of one function: its basic blocks and where each goes on.
#pragma once

#include <cstdint>
#include <vector>

#include "analyzer/code/program.h"

namespace mx::analyzer {

struct BasicBlock {
  uint32_t first = 0, last = 0;      // indices in Function::code, both inside
  std::vector<uint32_t> successors;  // indices of blocks of the same function, ascending
  bool leaves = false;  // ends with a jump out of the function: a tail call, or to a cold part
  bool indirect_jump = false;  // ends with a jump whose targets are not known
};

// Sorted by address. A call ends no block. Places that are jumped to but are the start of no
// instruction begin none.
std::vector<BasicBlock> basic_blocks(const Function& f);

// True for a direct jump to the start of another function or PLT stub (not to or from a cold part).
bool is_tail_call(const Program& program, const Function& f, const Instruction& i);

}  // namespace mx::analyzer
