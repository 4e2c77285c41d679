// Finds the tables behind `jmp reg` and `jmp [table + reg*8]` that gcc and clang write for switch
// statements.
#pragma once

#include <vector>

#include "analyzer/code/program.h"

namespace mx::analyzer {

// Fills f.tables. Every target that is accepted is the start of an instruction of `f` or lies
// outside it in code.
void find_jump_tables(const Image& image, Function& f);

// Two tables never share bytes: the earlier one ends where the next starts.
void cut_overlapping_tables(std::vector<Function>& functions);

}  // namespace mx::analyzer
