// What differs in a function that has changed little, in words for one line.
#pragma once

#include <optional>
#include <string>

#include "analyzer/analysis.h"

namespace mx::analyzer {

struct SmallChange {
  size_t instructions = 0;  // that differ
  std::string shown;        // "mov edx, 0x1357 -> mov edx, 0x135e": the first of them
};

// Of a changed function whose instructions are the same but for numbers and strings (a constant, a
// __LINE__, a message, the place of a field). None when anything else differs, or much.
std::optional<SmallChange> numbers_only(const Analysis& a, const FunctionResult& r);

}  // namespace mx::analyzer
