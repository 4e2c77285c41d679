// Two versions of one function next to each other.
#pragma once

#include <string>
#include <vector>

#include "analyzer/analysis.h"

namespace mx::analyzer {

struct CodeLine {
  enum Kind { same, removed, added } kind = same;
  uint64_t old_address = 0, new_address = 0;
  std::string old_text, new_text;  // empty on the side that has no such line
};

// The whole function, old and new lines in order; addresses in operands are replaced by what they
// mean.
std::vector<CodeLine> side_by_side(const Analysis& a, const FunctionResult& r);

}  // namespace mx::analyzer
